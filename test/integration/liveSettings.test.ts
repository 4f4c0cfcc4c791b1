import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { damages, evidenceOf, transition, undamaged, underLoad, upWith } from "../support/transition.ts";

// One story, told in order: each test begins where the one before has ended.
describe.sequential("settings of a running deployment", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.start("settings");
    nodes = await Nodes.of(deployment);
    await healthy(deployment);
  });
  afterAll(async () => {
    await deployment?.[Symbol.asyncDispose]();
  });

  /** Applies synchronous replication, and sees it with the outputs of that `up`. */
  async function synchronous(value: boolean): Promise<{ exitCode: number | undefined; all: string }> {
    const result = await upWith(deployment, { synchronous: value });
    await deployment.reread();
    nodes = await Nodes.of(deployment);
    return result;
  }

  /** A write as a good client does it: again with the same key until it is acknowledged. */
  async function writeOnce(name: string): Promise<number> {
    for (let attempts = 1; ; attempts++) {
      const { status } = await nodes.request("gateway", "/api/resources", {
        method: "POST",
        body: { name, account: "test", secret: "waits" },
        headers: { "idempotency-key": name },
        timeoutSeconds: 40,
      });
      if (status === 201) return attempts;
      await sleep(100);
    }
  }

  it("synchronous replication is switched on live, and the status says so", async () => {
    const before = await nodes.starts();
    const { result, load, report } = await underLoad(deployment, () => synchronous(true));
    expect([result.exitCode, result.all]).toEqual([
      0,
      expect.stringContaining("switch-synchronous-replication"),
    ]);
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    expect(await nodes.starts()).toEqual(before);
    const { databases } = await healthy(deployment);
    expect(databases).toMatchObject([
      { name: "shared", synchronous: true, waitingCommits: 0 },
      { name: "read-only", syncState: "sync" },
    ]);
  });

  it("without the replica writes wait; the status says so, and the way out lets them go on", async () => {
    await nodes.docker("stop", nodes.container("read-only-database"));
    const written = writeOnce("waits-for-the-replica");
    const status = await eventually("the status tells of the waiting write", async () => {
      const now = await deployment.status();
      return now.findings.some(({ problem }) => /\([1-9]\d* wait now\)/.test(problem)) ? now : undefined;
    });
    expect(status.verdict).toBe("degraded");
    expect(status.findings).toContainEqual({
      subject: "writes",
      problem: expect.stringMatching(/^wait: replication is synchronous, and no replica confirms them/),
      remedy: expect.stringContaining("pulumi config set synchronous false && pulumi up"),
    });
    const { exitCode, all } = await synchronous(false);
    expect([exitCode, all]).toEqual([0, expect.stringContaining("updated")]);
    expect(await written).toBeGreaterThan(0);
    await nodes.docker("start", nodes.container("read-only-database"));
    expect((await healthy(deployment)).databases[1]?.syncState).toBe("async");
    const rows = "SELECT count(*) FROM vault.resources WHERE name = 'waits-for-the-replica'";
    for (const database of ["shared-database", "read-only-database"])
      expect(await nodes.sql(database, rows, "vault")).toBe("1");
  });

  it("an emergency promote is proved to lose nothing, and so needs no consent to a loss", async () => {
    expect((await synchronous(true)).exitCode).toBe(0);
    await healthy(deployment);
    const { result, load } = await underLoad(deployment, async () => {
      await nodes.docker("kill", nodes.container("shared-database"));
      return transition(deployment, "promote", "SYNC-1", "--json");
    });
    expect([result.exitCode, result.all]).toEqual([
      0,
      expect.stringContaining("replication was synchronous"),
    ]);
    const evidence = evidenceOf(deployment, "SYNC-1");
    expect(evidence).toMatchObject({ verdict: "done", lostWrites: 0 });
    expect(evidence.steps.map(({ step }) => step)).toContain("promote read-only (lossless)");
    expect(evidence.writeGapSeconds).toBeGreaterThan(0);
    expect(await damages(deployment, load)).toEqual(undamaged);
  });

  it("a planned restore works while replication is synchronous", async () => {
    const { result, load, report } = await underLoad(deployment, () =>
      transition(deployment, "restore", "SYNC-2", "--json"),
    );
    expect([result.exitCode, JSON.parse(result.stdout)]).toMatchObject([
      0,
      { verdict: "done", lostWrites: 0 },
    ]);
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    await healthy(deployment);
  });
});
