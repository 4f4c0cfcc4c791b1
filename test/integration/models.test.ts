import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeNamesOf } from "../../core/topology.ts";
import type { Model } from "../../core/vocabulary.ts";
import { compareEverywhere } from "../../scripts/load/compare.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";
import { Deployment } from "../support/deployment.ts";
import { healthy, Nodes } from "../support/nodes.ts";
import { underLoad, upWith } from "../support/transition.ts";

/** Reads through the gateway until it is stopped; what it gives is every answer that was none. */
function reading(nodes: Nodes): () => Promise<readonly string[]> {
  const failed: string[] = [];
  let isStopping = false;
  const reader = (async () => {
    while (!isStopping) {
      const answer = await nodes.request("gateway", "/api/resources?limit=1", { timeoutSeconds: 30 }).then(
        ({ status, body }) => (status === 200 ? undefined : `${status} ${body}`),
        (error: unknown) => String(error),
      );
      if (answer !== undefined) failed.push(answer);
      await sleep(10);
    }
  })();
  return async () => {
    isStopping = true;
    await reader;
    return failed;
  };
}

async function guardOf(nodes: Nodes): Promise<unknown> {
  return JSON.parse((await nodes.exec("shared-database", "cat", "/var/lib/pg-continuity/guard.json")).stdout);
}

const page = readFileSync(join(projectFolder, "docs", "models.md"), "utf8");

/** What of a report is for people: without the single resources, its reasons in the order of the alphabet. */
function essence(report: string): string {
  const [head = "", ...sections] = report.trim().split("\n\n");
  const [title = "", ...reasons] = head.split("\n");
  const kept = sections.filter((section) => !/^(settings|changes)\n/.test(section));
  return [[title.replace(/^.*?:/, "dev:"), ...reasons.sort()].join("\n"), ...kept].join("\n\n");
}

// One story, told in order: a tour over all six switches, each begins where the one before has ended.
describe.sequential("the model of a running deployment", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.start("models");
    nodes = await Nodes.of(deployment);
    // Something to copy, so that a base backup can be watched.
    await nodes.sql(
      "shared-database",
      "CREATE TABLE ballast AS SELECT repeat(md5(n::text), 30) FROM generate_series(1, 60000) n",
    );
    await healthy(deployment);
  });
  afterAll(async () => {
    await deployment?.[Symbol.asyncDispose]();
  });

  it("refuses to remove the replica while the shared database does not accept writes", async () => {
    await nodes.docker("stop", nodes.container("shared-database"));
    deployment.configure({ model: "secondary" });
    try {
      const { exitCode, all } = await deployment.preview();
      expect(exitCode).not.toBe(0);
      expect(all).toContain(
        "would remove read-only-database while shared-database does not accept writes (its container is stopped): what read-only-database holds may be the only current data",
      );
      expect(all).toContain("Bring shared-database back first");
    } finally {
      deployment.configure({ model: "full" });
      await nodes.docker("start", nodes.container("shared-database"));
    }
    await healthy(deployment);
  });

  it.each<[from: Model, to: Model]>([
    ["full", "secondary"],
    ["secondary", "read-only"],
    ["read-only", "secondary"],
    ["secondary", "full"],
    ["full", "read-only"],
    ["read-only", "full"],
  ])("from %s to %s under load: what stays goes on, no request fails, nothing is lost", async (from, to) => {
    const before = await nodes.starts();
    expect(Object.keys(before).sort()).toEqual([...nodeNamesOf(from)].sort());
    // As docs/models.md has it, which shows what this has printed.
    expect((await deployment.pulumi(["config", "set", "model", to])).exitCode).toBe(0);
    const preview = await deployment.script("scripts/preview.ts");
    expect([preview.exitCode, page]).toEqual([2, expect.stringContaining(essence(preview.stdout))]);
    const stopReading = reading(nodes);
    const { result, load, report } = await underLoad(deployment, () => upWith(deployment, {}));
    expect([result.exitCode, result.all]).toEqual([0, expect.stringContaining("Resources:")]);
    // "go on" is what the preview has said of both.
    expect([report.failed, await stopReading()]).toEqual([[], []]);

    await deployment.reread();
    nodes = await Nodes.of(deployment);
    const after = await nodes.starts();
    expect(Object.keys(after).sort()).toEqual([...nodeNamesOf(to)].sort());
    for (const [node, start] of Object.entries(after)) expect(before[node] ?? start).toBe(start);
    expect((await healthy(deployment)).model).toBe(to);

    const hasReplica = to !== "secondary";
    expect(await nodes.sql("shared-database", "SELECT slot_name, active FROM pg_replication_slots")).toBe(
      hasReplica ? "read_only|t" : "",
    );
    expect(await guardOf(nodes)).toEqual({ peers: hasReplica ? ["read-only"] : [] });
    if (from === "secondary")
      expect(result.all).toMatch(/base backup \d+(\.\d)? [kM]B of \d+(\.\d)? MB, \d+(\.\d)? [kM]?B\/s/);
    const everywhere = await compareEverywhere(load, (await deployment.deployed()).topology);
    for (const { lost, doubled } of Object.values(everywhere))
      expect({ lost, doubled }).toEqual({ lost: [], doubled: [] });
  });

  it("down --volumes removes also what an earlier model has left", async () => {
    const { exitCode, all } = await upWith(deployment, { model: "secondary" });
    expect([exitCode, all]).toEqual([0, expect.stringContaining("deleted")]);
    const volumes = () =>
      nodes.docker("volume", "ls", "-q", "--filter", `label=pg-continuity.stack=${deployment.stack}`);
    expect(await volumes()).toContain("read-only-database-data");
    expect((await deployment.down("--volumes")).exitCode).toBe(0);
    expect(await volumes()).toBe("");
  });
});
