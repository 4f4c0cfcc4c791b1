import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { connectEngine } from "../../scripts/docker/engine.ts";
import { Deployment } from "../support/deployment.ts";
import { canRunEngine, TestEngine } from "../support/engine.ts";
import { eventually, Nodes } from "../support/nodes.ts";
import { localEngine } from "../support/run.ts";
import { evidenceOf, roles, upWith } from "../support/transition.ts";

// Needs root and dockerd: the first host is an engine of the test's own, the second one the machine's.
// One story, told in order: each test begins where the one before has ended.
describe.runIf(canRunEngine).sequential("a deployment over two hosts", () => {
  const run = inject("run");
  let engine: TestEngine;
  let deployment: Deployment;
  let nodes: Nodes;
  let kept = "";

  beforeAll(async () => {
    engine = await TestEngine.start(run);
    deployment = await Deployment.create("hosts", {
      model: "read-only",
      hosts: {
        first: { docker: engine.url, address: engine.address },
        second: { docker: localEngine, address: engine.machineAddress },
      },
      placement: {
        "shared-database": "first",
        "primary-server": "first",
        "read-only-database": "second",
        "read-only-server": "second",
        gateway: "second",
      },
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

  it("serves, and replicates over TLS from one to the other", async () => {
    const { exitCode, all } = await deployment.up();
    expect([exitCode, all]).toEqual([
      0,
      expect.stringContaining(
        "ok     replicate to the read-only database: streaming, over TLS, slot read_only in use",
      ),
    ]);
    expect(await nodesOn(engine.url)).toEqual(["primary-server", "shared-database"]);
    expect(await nodesOn(localEngine)).toEqual(["gateway", "read-only-database", "read-only-server"]);
    nodes = await Nodes.of(deployment);
    kept = await nodes.store("on the first host", "across hosts");
    await eventually(
      "the second host has it",
      async () => (await nodes.reveal("read-only-server", kept)) === "across hosts",
    );
    const upstream = await nodes.sql("read-only-database", "SELECT sender_host FROM pg_stat_wal_receiver");
    expect(upstream).toBe(engine.address);
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
