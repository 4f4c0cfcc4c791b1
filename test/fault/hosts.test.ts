import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { connectEngine } from "../../scripts/docker/engine.ts";
import { compareEverywhere, localRows } from "../../scripts/load/compare.ts";
import { Deployment } from "../support/deployment.ts";
import { canRunEngine, TestEngine } from "../support/engine.ts";
import { previewOf } from "../support/impact.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { ReadProbe } from "../support/readProbe.ts";
import { localEngine } from "../support/run.ts";
import { evidenceOf, roles, underLoad, upWith } from "../support/transition.ts";

// Needs root and dockerd: the first host is an engine of the test's own, the second one the machine's.
// One story, told in order: each test begins where the one before has ended.
describe.runIf(canRunEngine).sequential("a deployment over two hosts", () => {
  const run = inject("run");
  let engine: TestEngine;
  let deployment: Deployment;
  let nodes: Nodes;
  let kept = "";
  /** The replica beside the shared database at first: it moves. */
  const placement = {
    "shared-database": "first",
    "primary-server": "first",
    "read-only-database": "first",
    "read-only-server": "first",
    gateway: "second",
  };
  const moved = { ...placement, "read-only-database": "second", "read-only-server": "second" };

  beforeAll(async () => {
    engine = await TestEngine.start(run);
    deployment = await Deployment.create("hosts", {
      model: "read-only",
      hosts: {
        first: { docker: engine.url, address: engine.address },
        second: { docker: localEngine, address: engine.machineAddress },
      },
      placement,
      publishedAddress: "0.0.0.0",
    });
  });
  afterAll(async () => {
    await deployment?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
  });

  const nodesOn = async (url: string) => {
    const filters = { label: [`pg-continuity.stack=${deployment.stack}`] };
    const containers = await connectEngine(url).listContainers({ filters });
    return containers.map(({ Labels }) => Labels["pg-continuity.node"]).sort();
  };
  const write = (name: string) =>
    nodes.request("gateway", "/api/resources", {
      method: "POST",
      body: { name, account: "test", secret: "across hosts" },
      timeoutSeconds: 10,
    });

  const sharedSql = async (statement: string) => {
    const [shared] = (await deployment.deployed()).topology.databases;
    if (!shared) throw new Error("a deployment without a database");
    return localRows(shared, "postgres", statement);
  };
  const seconds = async <T>(work: () => Promise<T>): Promise<readonly [result: T, seconds: number]> => {
    const startedAt = performance.now();
    return [await work(), (performance.now() - startedAt) / 1000];
  };

  it("serves", async () => {
    const { exitCode, all } = await deployment.up();
    expect([exitCode, all]).toEqual([
      0,
      expect.stringContaining(
        "ok     replicate to the read-only database: streaming, over TLS, slot read_only in use",
      ),
    ]);
    expect(await nodesOn(localEngine)).toEqual(["gateway"]);
    nodes = await Nodes.of(deployment);
    // Something to copy, so that a base backup can be watched.
    await sharedSql(
      "CREATE TABLE ballast AS SELECT repeat(md5(n::text), 30) FROM generate_series(1, 60000) n",
    );
  });

  it("lets the replica and its server move to the other one: nobody waits, nothing is lost", async () => {
    deployment.configure({ placement: moved });
    const { exitCode, risk, interruptions, data, changes } = await previewOf(deployment);
    expect({ exitCode, risk, interruptions, data }).toEqual({
      exitCode: 2,
      risk: "medium",
      interruptions: {
        writes: { stops: false, seconds: null, because: [] },
        reads: { stops: false, seconds: null, because: [] },
      },
      data: expect.arrayContaining([
        "read-only-database: filled from the writable database",
        "read-only-database: its data is kept",
      ]),
    });
    expect(changes.filter(({ kind, action }) => kind === "data volume" && action === "deleted")).toEqual([
      expect.objectContaining({ name: "read-only-database-on-first-data", isRetained: true }),
    ]);
    const reads = new ReadProbe(nodes, "/api/resources?limit=1");
    const { result, load, report } = await underLoad(deployment, () => upWith(deployment, {})).finally(() =>
      reads.stop(),
    );
    expect([result.exitCode, result.all]).toEqual([
      0,
      expect.stringMatching(/base backup \d+(\.\d)? [kM]B of \d+(\.\d)? MB, \d+(\.\d)? [kM]?B\/s/),
    ]);
    expect(result.all).toContain("copied; the read-only database on host first is stopped");
    expect([report.failed, reads.failed]).toEqual([[], []]);
    const { topology } = await deployment.reread();
    nodes = await Nodes.of(deployment);
    for (const { lost, doubled } of Object.values(await compareEverywhere(load, topology)))
      expect({ lost, doubled }).toEqual({ lost: [], doubled: [] });
    expect(await nodesOn(engine.url)).toEqual(["primary-server", "shared-database"]);
    expect(await nodesOn(localEngine)).toEqual(["gateway", "read-only-database", "read-only-server"]);
    // What it had there stays there.
    const { Volumes } = await connectEngine(engine.url).listVolumes();
    expect(Volumes.map(({ Name }) => Name)).toContain(
      `pg-continuity-${deployment.stack}-read-only-database-data`,
    );
    expect(await sharedSql("SELECT slot_name, active FROM pg_replication_slots")).toEqual(["read_only|t"]);
    // The certificates, too, are those of the new place.
    expect((await healthy(deployment)).findings).toEqual([]);
    kept = await nodes.store("on the first host", "across hosts");
    await eventually(
      "the second host has it",
      async () => (await nodes.reveal("read-only-server", kept)) === "across hosts",
    );
    const upstream = await nodes.sql("read-only-database", "SELECT sender_host FROM pg_stat_wal_receiver");
    expect(upstream).toBe(engine.address);
  });

  it("does not let the writable database move, and says how it can", async () => {
    deployment.configure({ placement: { ...moved, "shared-database": "second" } });
    const { exitCode, verdict, refused } = await previewOf(deployment);
    deployment.configure({ placement: moved });
    expect([exitCode, verdict, refused.join("\n")]).toEqual([
      3,
      "refused",
      expect.stringMatching(
        /placement\.shared-database: REFUSED: "second" would remove shared-database, which is the writable database .* Make the other database the writable one first .* with the placement as it was\. Then move it/,
      ),
    ]);
  });

  it("of which one has vanished: reads go on, everything says so in time, and it comes back by itself", async () => {
    const putBack = await engine.cutCable();
    try {
      await eventually(
        "the gateway reads from the second host",
        async () => (await nodes.reveal("gateway", kept)) === "across hosts",
      );
      expect((await write("lost")).status).toBe(503);
      const [status, statusSeconds] = await seconds(() => deployment.status());
      expect([status.exitCode, status.findings[0]]).toEqual([
        3,
        expect.objectContaining({
          subject: "host first",
          problem: expect.stringContaining("no answer within"),
        }),
      ]);
      const [preview, previewSeconds] = await seconds(() => deployment.script("scripts/preview.ts"));
      expect([preview.exitCode, preview.all]).toEqual([
        2,
        expect.stringContaining("does not answer: no answer within"),
      ]);
      const [refresh, refreshSeconds] = await seconds(() => deployment.script("scripts/refresh.ts"));
      expect([refresh.exitCode, refresh.all]).toEqual([
        3,
        expect.stringMatching(/REFUSED: host first .* does not answer: no answer within/),
      ]);
      expect({ statusSeconds, previewSeconds, refreshSeconds }).toEqual({
        statusSeconds: expect.toSatisfy((taken: number) => taken < 12),
        previewSeconds: expect.toSatisfy((taken: number) => taken < 30),
        refreshSeconds: expect.toSatisfy((taken: number) => taken < 12),
      });
    } finally {
      await putBack();
    }
    const id = await eventually("writes go on", async () => {
      const { status, body } = await write("the cable is back");
      return status === 201 ? (JSON.parse(body) as { id: string }).id : undefined;
    });
    await eventually(
      "the replica has caught up",
      async () => (await nodes.reveal("read-only-server", id)) === "across hosts",
    );
    expect((await healthy(deployment)).findings).toEqual([]);
  });

  it("of which one has lost its power: reads go on, the status says what cannot be reached, a refresh is refused", async () => {
    await engine.cutPower();
    await eventually(
      "the gateway reads from the second host",
      async () => (await nodes.reveal("gateway", kept)) === "across hosts",
    );
    expect((await write("lost")).status).toBe(503);
    const { exitCode, databases, servers, findings } = await deployment.status();
    expect(exitCode).toBe(3);
    const [shared, replica] = databases;
    expect([shared, replica, servers[0]]).toMatchObject([
      { name: "shared", reachable: false, role: "unknown" },
      { name: "read-only", reachable: true, role: "standby" },
      { name: "primary", reachable: false, role: "unknown" },
    ]);
    expect(findings.map(({ subject }) => subject)).toContain("shared database");
    const refresh = await deployment.script("scripts/refresh.ts");
    expect([refresh.exitCode, refresh.all]).toEqual([
      3,
      expect.stringMatching(/REFUSED: host first .* does not answer: .*Pulumi would forget every container/),
    ]);
  });

  it("is promoted on the other one, on a person's word and not without", async () => {
    deployment.configure({ transition: "promote", transitionId: "POWER-1" });
    const refused = await deployment.script("scripts/preview.ts");
    expect([refused.exitCode, refused.all]).toEqual([
      3,
      expect.stringContaining('"pulumi config set primaryIsDown POWER-1"'),
    ]);
    expect(refused.all).toContain('"pulumi config set allowDataLoss POWER-1"');
    const { exitCode, all } = await upWith(deployment, {
      primaryIsDown: "POWER-1",
      allowDataLoss: "POWER-1",
    });
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote-read-only")]);
    expect(all).toContain("host first");
    expect((await write("after the promotion")).status).toBe(201);
    expect(await nodes.reveal("gateway", kept)).toBe("across hosts");
    expect(evidenceOf(deployment, "POWER-1")).toMatchObject({ transition: "promote", lostWrites: null });
    expect(await roles(deployment)).toMatchObject({
      "read-only database": "primary",
      "shared database": "unknown",
      "read-only server": "read-write",
    });
  });

  it("and keeps the old primary closed when its host is back", async () => {
    await engine.boot();
    await eventually(
      "the old primary has said why it stays closed",
      async () => (await roles(deployment))["shared database"] === "closed",
      60,
    );
    expect((await write("the host is back")).status).toBe(201);
    const { phase, databases } = await deployment.status();
    expect([phase, databases[0]?.detail]).toEqual(["promoted", expect.stringContaining("timeline")]);
  });
});
