import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Evidence } from "../../core/transition/evidence.ts";
import type { PausePoint } from "../../scripts/transition/pauseAt.ts";
import { KillStory } from "../support/killStory.ts";
import { eventually } from "../support/nodes.ts";
import { runAgain, transition } from "../support/transition.ts";
import { divergeAndKill, forgetUnsent, inVolumes } from "../support/transitionFaults.ts";

// The same for the transitions that begin with a database that is gone: each test ends with both there again.
describe.sequential("what follows the loss of a database is killed", () => {
  const story = KillStory.register("L");
  const lossAllowed = { allowDataLoss: true };

  const killShared = () => story.nodes.docker("kill", story.nodes.container("shared-database"));

  const points: readonly [PausePoint][] = [
    ["before:fence"],
    ["after:fence"],
    ["after:promote"],
    ["before:follow"],
    ["after:follow"],
  ];

  /** A write that both databases have; then the shared one is gone, and stays away. */
  async function lose(): Promise<string> {
    const id = await story.nodes.store(`before ${story.id}`, "kept");
    await eventually(
      "the replica has it",
      async () => (await story.nodes.reveal("read-only-server", id)) === "kept",
    );
    await killShared();
    return id;
  }

  /** Nothing of what both had is gone, and all is as declared again. */
  async function backToNormal(id: string, lostWrites: Evidence["lostWrites"] = 0): Promise<void> {
    await story.expectDone("promote", lostWrites);
    expect((await transition(story.deployment, "restore", story.id)).exitCode).toBe(0);
    await story.expectDone("restore");
    for (const node of ["gateway", "read-only-server"])
      expect(await story.nodes.reveal(node, id)).toBe("kept");
  }

  it.each(points)("an emergency promote, with all that it started, %s: run again it finishes", async (at) => {
    const id = await lose();
    const worker = story.begin("promote", { at }, "--allow-data-loss");
    await worker.says(`paused at ${at}`);
    await worker.killTree();
    expect((await runAgain(story.deployment, "promote", story.id, lossAllowed)).verdict).toMatch(/^done/);
    await backToNormal(id);
  });

  it.each(
    points,
  )("an emergency promote, only pulumi, %s: a second up clears its lock, waits for an orphan that acts, and finishes", async (at) => {
    const id = await lose();
    story.deployment.configure({ allowDataLoss: story.id });
    await story.killPulumiAt("promote", at);
    story.deployment.configure({ allowDataLoss: undefined, transition: undefined, transitionId: undefined });
    await backToNormal(id);
  });

  it("an emergency promote that left writes behind, after:promote: run again it does not call them kept", async () => {
    const id = await story.nodes.store(`before ${story.id}`, "kept");
    await divergeAndKill(story.nodes, "behind", "");
    const worker = story.begin(
      "promote",
      { at: "after:promote" },
      "--allow-data-loss",
      "--no-read-unsent-wal",
    );
    await worker.says("paused at after:promote");
    await worker.killTree();
    const evidence = await runAgain(story.deployment, "promote", story.id, lossAllowed);
    expect(evidence.steps.at(-1)?.details.rejoin).toMatchObject({ method: "rewind" });
    await backToNormal(id, null);
  });

  it("an emergency promote that could not read the old disk, after:promote: run again it proves nothing by that disk", async () => {
    const id = await lose();
    // What it had written in the background meanwhile: it is to come back as it is.
    await forgetUnsent(story.nodes);
    const wal = "/var/lib/postgresql/data/pg_wal";
    await inVolumes(story.nodes, "shared-database", `mv ${wal} ${wal}.away && touch ${wal}`);
    const worker = story.begin("promote", { at: "after:promote" }, "--allow-data-loss");
    await worker.says("paused at after:promote");
    await worker.killTree();
    expect(worker.output).toContain("what it had not sent could not be read");
    await inVolumes(story.nodes, "shared-database", `rm ${wal} && mv ${wal}.away ${wal}`);
    const evidence = await runAgain(story.deployment, "promote", story.id, lossAllowed);
    expect(evidence.steps.at(-1)?.details.rejoin).toMatchObject({ method: "as-is" });
    await backToNormal(id, null);
  });

  it.each<[PausePoint]>([
    ["after:fence"],
    ["after:promote"],
  ])("an emergency promote, %s the read-only database crashes: it goes on or is run again, and finishes", async (at) => {
    const id = await lose();
    const worker = story.begin("promote", { at, until: story.go }, "--allow-data-loss");
    await worker.says(`paused at ${at}`);
    await story.nodes.crash("read-only-database");
    writeFileSync(story.go, "");
    if ((await worker.ended()) !== 0)
      await eventually(
        "run again it finishes",
        async () => await runAgain(story.deployment, "promote", story.id, lossAllowed),
        60,
      );
    await backToNormal(id);
  });

  it.each<[PausePoint]>([
    ["before:follow"],
    ["after:follow"],
  ])("a restore of a database that is down, with all that it started, %s: run again it finishes", async (at) => {
    expect((await transition(story.deployment, "promote", story.id)).exitCode).toBe(0);
    await killShared();
    await story.losesNothing(async () => {
      const worker = story.begin("restore", { at });
      await worker.says(`paused at ${at}`);
      await worker.killTree();
      expect((await runAgain(story.deployment, "restore", story.id)).verdict).toMatch(/^done/);
    });
    await story.expectDone("restore");
  });
});
