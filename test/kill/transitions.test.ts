import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { TransitionName as Name } from "../../core/transition/step.ts";
import type { PausePoint } from "../../scripts/transition/pauseAt.ts";
import { KillStory } from "../support/killStory.ts";
import { eventually, healthy } from "../support/nodes.ts";
import { runAgain, transition } from "../support/transition.ts";

// Promotes and restores alternate.
describe.sequential("a transition is killed", () => {
  const story = KillStory.register("K");

  const points: readonly [Name, PausePoint][] = [
    ["promote", "before:switch-over"],
    ["restore", "before:switch-over"],
    ["promote", "stopped:switch-over"],
    ["restore", "stopped:switch-over"],
    ["promote", "after:switch-over"],
    ["restore", "after:switch-over"],
    ["promote", "after:follow"],
    ["restore", "after:follow"],
    ["rebuild", "before:copy"],
    ["rebuild", "after:copy"],
  ];
  it.each(points)("%s, with all that it started, %s: run again it finishes", async (name, at) => {
    await story.losesNothing(async () => {
      const worker = story.begin(name, { at });
      await worker.says(`paused at ${at}`);
      await worker.killTree();
      expect((await runAgain(story.deployment, name, story.id)).verdict).toMatch(/^done/);
    });
    await story.expectDone(name);
  });

  // Milliseconds after the step was begun; the moment itself is what varies.
  it.each<[Name, string, number]>([
    ["promote", "(writes wait)", 30],
    ["restore", "(writes wait)", 90],
    ["promote", "(writes wait)", 150],
    ["restore", "(writes wait)", 250],
    ["rebuild", "throw the data of read-only away", 100],
    ["rebuild", "throw the data of read-only away", 600],
  ])("%s, in the middle of what says %j (%d ms): run again it finishes", async (name, step, milliseconds) => {
    await story.losesNothing(async () => {
      const worker = story.begin(name);
      await worker.says(step);
      await sleep(milliseconds);
      await worker.killTree();
      expect((await runAgain(story.deployment, name, story.id)).verdict).toMatch(/^done/);
    });
    await story.expectDone(name);
  });

  it("pulumi up with all that it started: up clears the dead lock and finishes", async () => {
    await story.losesNothing(async () => {
      const up = story.beginUp("promote", { at: "stopped:switch-over" });
      await up.says("paused at stopped:switch-over");
      await up.killTree();
      const { exitCode, all } = await story.deployment.up();
      expect([exitCode, all]).toEqual([
        expect.any(Number),
        expect.stringContaining("removed the lock of a pulumi"),
      ]);
      expect([0, 3]).toContain(exitCode);
    });
    await story.expectDone("promote");
  });

  // Whether the script outlives its pulumi depends on the plugin: the official one leaves it running for ever, one that
  // notices the broken connection ends it. Both must come to the same end.
  it.each<[Name, PausePoint]>([
    ["restore", "stopped:switch-over"],
    ["promote", "before:switch-over"],
    ["restore", "after:switch-over"],
    ["promote", "stopped:switch-over"],
    ["restore", "before:switch-over"],
    ["rebuild", "before:copy"],
    ["rebuild", "after:copy"],
    ["promote", "after:switch-over"],
    ["restore", "before:follow"],
    ["promote", "after:follow"],
    ["restore", "after:follow"],
  ])("%s, only pulumi, %s: a second up clears its lock, waits for an orphan that acts, and finishes", async (name, at) => {
    await story.losesNothing(() => story.killPulumiAt(name, at));
    await story.expectDone(name);
    if (name !== "promote") expect((await healthy(story.deployment)).phase).toBe("normal");
    story.deployment.configure({ transition: undefined, transitionId: undefined });
  });

  it("a second driver waits for the first; for the same id it has nothing to do", async () => {
    const first = story.begin("promote", { at: "before:switch-over", until: story.go });
    await first.says("paused at before:switch-over");
    const second = story.begin("promote");
    await second.says(/waiting: another transition is running \(.*K-/);
    expect(await story.nodes.sql("read-only-database", "SELECT pg_is_in_recovery()")).toBe("t");
    writeFileSync(story.go, "");
    expect([await first.ended(), first.output]).toEqual([0, expect.stringContaining("promote: done")]);
    expect([await second.ended(), second.output]).toEqual([0, expect.stringContaining("promote: done")]);
    expect((await transition(story.deployment, "restore", story.id)).exitCode).toBe(0);
    await story.expectDone("restore");
  });

  it.each<[Name, PausePoint, string]>([
    ["promote", "before:switch-over", "shared-database"],
    ["restore", "before:switch-over", "shared-database"],
    ["promote", "stopped:switch-over", "read-only-database"],
    ["restore", "stopped:switch-over", "read-only-database"],
    ["promote", "after:switch-over", "read-only-database"],
    ["restore", "after:switch-over", "read-only-database"],
    ["promote", "before:follow", "shared-database"],
    ["restore", "before:follow", "read-only-database"],
    ["rebuild", "before:copy", "shared-database"],
    ["rebuild", "before:copy", "read-only-database"],
  ])("%s, %s the %s crashes: it goes on or is run again, and finishes", async (name, at, node) => {
    await story.losesNothing(async () => {
      const worker = story.begin(name, { at, until: story.go });
      await worker.says(`paused at ${at}`);
      await story.nodes.crash(node);
      writeFileSync(story.go, "");
      if ((await worker.ended()) === 0) return;
      // It may also say that it cannot go on yet: the node has to come back first.
      await eventually(
        "run again it finishes",
        async () => {
          await runAgain(story.deployment, name, story.id);
          return true;
        },
        60,
      );
    });
    await story.expectDone(name);
  });
});
