import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { Deployment } from "../support/deployment.ts";
import { canRunEngine, TestEngine } from "../support/engine.ts";
import { underLoad } from "../support/load.ts";
import { healthy, Nodes } from "../support/nodes.ts";

// Needs root and dockerd. The machine's own engine is never restarted: others may use it.
describe.runIf(canRunEngine)("the Docker engine is restarted under write load", () => {
  const run = inject("run");
  let engine: TestEngine;
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    engine = await TestEngine.start(run);
    deployment = await Deployment.start("engine", {
      hosts: { own: { docker: engine.url, address: engine.address } },
      publishedAddress: engine.address,
    });
    nodes = await Nodes.of(deployment);
  });
  afterAll(async () => {
    await deployment?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
  });

  it.each([
    ["in order", () => engine.shutDown()],
    ["by a power cut", () => engine.cutPower()],
  ])("%s: everything comes back by itself, every acknowledged write is there", async (_how, end) => {
    const id = await nodes.store("before the restart", "a secret");
    const report = await underLoad(deployment, async (load) => {
      await load.more(50);
      await end();
      expect(await nodes.request("gateway", "/healthz").then(String, () => "no answer")).toBe("no answer");
      const refresh = await deployment.script("scripts/refresh.ts");
      expect([refresh.exitCode, refresh.all]).toEqual([
        3,
        expect.stringMatching(
          /REFUSED: host own .* does not answer: .*Pulumi would forget every container on it/,
        ),
      ]);
      await engine.boot();
      await load.more(100, 90);
      await healthy(deployment, 90);
    });
    expect(report.failed.length).toBeGreaterThan(0);
    expect(await nodes.reveal("read-only-server", id)).toBe("a secret");
  });
});
