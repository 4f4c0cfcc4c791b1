import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ImpactReport } from "../../core/preview/report.ts";
import { ContainerEvents } from "../support/containerEvents.ts";
import { Deployment } from "../support/deployment.ts";
import { healthy, Nodes } from "../support/nodes.ts";
import { damages, transition, undamaged, underLoad, upWith } from "../support/transition.ts";

const volume = "shared-database-data";

// One story, told in order: each test begins where the one before has ended.
describe.sequential("containers that are made anew, and the volumes that are not", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
  });
  // Taken back where somebody needs the deployment again; nothing of it runs otherwise than before.
  afterAll(() => deployment.configure({ giveUpVolume: undefined }));

  async function preview(): Promise<ImpactReport & { readonly exitCode: number | undefined }> {
    const { exitCode, stdout, all } = await deployment.script("scripts/preview.ts", ["--json"]);
    if (stdout === "") throw new Error(all);
    return { ...(JSON.parse(stdout) as ImpactReport), exitCode };
  }

  /** Previews and applies a change under load: as announced, one at a time, each database only once the other streams. */
  async function appliedInTurn(
    config: Record<string, unknown>,
    order: readonly string[],
  ): Promise<ImpactReport> {
    const [standby = ""] = order;
    deployment.configure(config);
    const announced = await preview();
    expect([announced.verdict, announced.refused, announced.errors]).toEqual(["changes", [], []]);
    expect(announced.order.map(({ node }) => node)).toEqual(order);
    await using events = await ContainerEvents.of(nodes);
    const { result, load, report } = await underLoad(deployment, () => upWith(deployment, {}));
    if (result.exitCode !== 0) throw new Error(result.all);
    expect(events.absences.map(({ node }) => node)).toEqual(order);
    for (const [index, absence] of events.absences.entries()) {
      const before = events.absences[index - 1];
      if (before === undefined) continue;
      expect(absence.from).toBeGreaterThan(before.to);
      if (before.node.endsWith("-database"))
        expect(await streamedAt(standby, before.to)).toBeLessThan(absence.from);
    }
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    await healthy(deployment);
    return announced;
  }

  /** When the standby streamed again after a database was made anew, by its own log. */
  async function streamedAt(node: string, after: number): Promise<number> {
    const lines = (await nodes.log(node))
      .split("\n")
      .filter((line) => line.includes("started streaming WAL"));
    const times = lines.map((line) => Date.parse(line.slice(0, "2026-01-01 00:00:00.000 UTC".length)));
    return times.find((time) => time > after) ?? Number.POSITIVE_INFINITY;
  }

  /** As after an update of this project that describes the volume otherwise. */
  async function describeVolumeOtherwise(): Promise<void> {
    const { stdout } = await deployment.pulumi(["stack", "export"]);
    type Labelled = { labels: { label: string; value: string }[] };
    const state = JSON.parse(stdout) as {
      deployment: { resources: { urn: string; inputs?: Labelled; outputs?: Labelled }[] };
    };
    const resource = state.deployment.resources.find(({ urn }) => urn.endsWith(`::${volume}`));
    for (const { labels } of [resource?.inputs, resource?.outputs].filter((side) => side !== undefined))
      for (const entry of labels) if (entry.label === "pg-continuity.volume") entry.value = "as before";
    const file = join(deployment.folder, "state.json");
    writeFileSync(file, JSON.stringify(state));
    const imported = await deployment.pulumi(["stack", "import", "--file", file]);
    expect([imported.exitCode, imported.all]).toEqual([0, expect.any(String)]);
  }

  /** The image that a database runs, by its name and its content. */
  const imageOf = (node: string) => nodes.inspect(node, "{{.Config.Image}} {{.Image}}");

  it("a new image and a limit: the standby, the writable database, then each server; no request fails", async () => {
    const before = await imageOf("shared-database");
    const [name = "", id = ""] = before.split(" ");
    const set = ["config", "set", "--path", "imageRevisions.database", "2026-03"];
    expect((await deployment.pulumi(set)).exitCode).toBe(0);
    const announced = await appliedInTurn(
      { resources: { database: { memoryMegabytes: 512, cpuShares: 512 }, server: { cpus: 1.5 } } },
      ["read-only-database", "shared-database", "secondary-server", "primary-server", "read-only-server"],
    );
    expect(announced.settings).toContainEqual({
      key: "imageRevisions.database",
      before: "-",
      after: "2026-03",
    });
    const [standby, writable] = announced.order;
    expect([standby?.waits, writable?.once, writable?.waits]).toEqual([
      "nothing waits, its server reads elsewhere",
      "read-only-database streams again",
      "writes wait in the servers",
    ]);
    const images = announced.changes.filter(({ kind }) => kind === "image");
    expect(images).toMatchObject([{ effect: "built beside the running containers", risk: "low" }]);
    const after = await imageOf("shared-database");
    expect(after).toMatch(new RegExp(`^${name}-2026-03 sha256:`));
    expect(after).not.toContain(id);
    expect(await imageOf("read-only-database")).toBe(after);
    await expect(nodes.docker("image", "inspect", name)).rejects.toThrow(/No such image/i);
    const limits = "{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{.HostConfig.NanoCpus}}";
    expect(await nodes.inspect("shared-database", limits)).toBe(`${512 * 1024 ** 2} 512 0`);
    expect(await nodes.inspect("primary-server", limits)).toBe("0 0 1500000000");
  });

  it("a limit that can be changed live replaces nothing; one that PostgreSQL does not fit into is refused", async () => {
    const before = await nodes.starts();
    const server = { cpus: 1.5 };
    deployment.configure({
      resources: { database: { memoryMegabytes: 768, cpuShares: 1024 }, server },
      postgresParameters: { shared_buffers: "384MB" },
    });
    expect(await preview()).toMatchObject({ verdict: "changes", order: [] });
    expect((await upWith(deployment, {})).exitCode).toBe(0);
    expect(await nodes.starts()).toEqual(before);
    expect(
      await nodes.inspect("read-only-database", "{{.HostConfig.Memory}} {{.HostConfig.CpuShares}}"),
    ).toBe(`${768 * 1024 ** 2} 1024`);
    // The smaller buffers would count only after a restart, the limit at once.
    deployment.configure({ resources: { database: { memoryMegabytes: 256 }, server } });
    deployment.configure({ postgresParameters: { shared_buffers: "128MB" } });
    expect((await preview()).refused).toEqual([
      expect.stringMatching(
        /REFUSED: 256 is too little for shared-database as it runs now, with shared_buffers of 384 MB.* Apply the smaller shared_buffers first/,
      ),
    ]);
    deployment.configure({
      resources: { database: { memoryMegabytes: 768, cpuShares: 1024 }, server },
      postgresParameters: { shared_buffers: "384MB" },
    });
  });

  it("the writable database's volume cannot be given up, and nothing replaces it", async () => {
    await describeVolumeOtherwise();
    const refused = await preview();
    expect([refused.exitCode, refused.refused]).toEqual([
      3,
      [
        expect.stringMatching(
          /REFUSED: shared-database-data would be replaced, .* it holds the data of shared-database\..*: pulumi config set giveUpVolume shared-database-data$/,
        ),
      ],
    ]);
    deployment.configure({ giveUpVolume: volume });
    const givenUp = await deployment.preview();
    expect([givenUp.exitCode === 0, givenUp.all]).toEqual([
      false,
      expect.stringContaining(
        `pg-continuity:giveUpVolume: REFUSED: "${volume}" holds the data of shared-database, which is the writable database. Leave it: "pulumi config rm giveUpVolume".`,
      ),
    ]);
  });

  it("after a promotion the order is the other way round, and the old copy is given up by its name and copied again", async () => {
    expect((await transition(deployment, "promote", "REPLACE-1")).exitCode).toBe(0);
    const kept = await nodes.exec("shared-database", "touch", "/var/lib/postgresql/old-copy");
    expect(kept.exitCode).toBe(0);
    // Limits and image are taken back in the same up: everything but the gateway is made anew.
    await appliedInTurn({ resources: undefined, postgresParameters: undefined, imageRevisions: undefined }, [
      "shared-database",
      "read-only-database",
      "secondary-server",
      "primary-server",
      "read-only-server",
    ]);
    expect((await nodes.exec("shared-database", "ls", "/var/lib/postgresql")).stdout.trim()).toBe("data");
    expect(await nodes.inspect("shared-database", "{{.HostConfig.Memory}}")).toBe("0");
    const again = await deployment.preview("--expect-no-changes");
    expect([again.exitCode, again.all]).toEqual([0, expect.any(String)]);
    expect((await transition(deployment, "restore", "REPLACE-2")).exitCode).toBe(0);
  });
});
