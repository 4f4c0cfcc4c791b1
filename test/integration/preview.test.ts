import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { turnSeconds } from "../../core/preview/interruptions.ts";
import type { ImpactReport } from "../../core/preview/report.ts";
import { Deployment } from "../support/deployment.ts";
import { expectSame, previewOf } from "../support/impact.ts";
import { underLoad } from "../support/load.ts";
import { healthy, Nodes } from "../support/nodes.ts";
import { freePorts } from "../support/ports.ts";
import { ReadProbe } from "../support/readProbe.ts";

describe.sequential("npm run preview tells what up will do", () => {
  let deployment: Deployment;
  let nodes: Nodes;
  let ports: Deployment["ports"];
  let resource = "";

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    ports = deployment.ports;
    resource = await nodes.store("previewed", "read while things change");
  });
  afterAll(async () => {
    // Other files use the deployment as it was.
    deployment.configure({ ports, slotWalKeepMegabytes: undefined, displayNames: undefined });
    const { exitCode, all } = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
    if (exitCode !== 0) throw new Error(all);
    await deployment.reread();
    await healthy(deployment);
  });

  /** Previews the change, applies it while clients read and write, and compares. */
  async function applied(changes: Record<string, unknown>): Promise<ImpactReport> {
    deployment.configure(changes);
    const { exitCode, ...report } = await previewOf(deployment);
    expect([exitCode, report.verdict]).toEqual([2, "changes"]);
    const before = await nodes.starts();
    const probe = new ReadProbe(nodes, `/api/resources/${resource}`);
    const writes = await underLoad(deployment, async (load) => {
      const up = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
      expect([up.exitCode, up.all]).toEqual([0, expect.any(String)]);
      await load.more(20);
    }).finally(() => probe.stop());

    // Ports have changed.
    await deployment.reread();
    nodes = await Nodes.of(deployment);
    const after = await nodes.starts();
    expect(replacedNodes(report)).toEqual(
      Object.keys(before)
        .filter((node) => before[node] !== after[node])
        .sort(),
    );
    const observed = {
      gapSeconds: writes.writeGapSeconds,
      failed: writes.failed.map(({ detail }) => detail),
    };
    expectSame("writes", report.interruptions.writes, observed);
    expectSame("reads", report.interruptions.reads, probe);
    await healthy(deployment);
    return report;
  }

  it("nothing to do: exit code 0", async () => {
    expect(await previewOf(deployment)).toMatchObject({
      exitCode: 0,
      verdict: "no change",
      risk: "none",
      drift: [],
    });
  });

  it("what is delivered live stops nothing", async () => {
    const report = await applied({ slotWalKeepMegabytes: 512, displayNames: { primary: "Vienna" } });
    expect(report).toMatchObject({ risk: "low", data: [] });
    expect(report.settings).toEqual([
      { key: "slotWalKeepMegabytes", before: "1024", after: "512" },
      { key: "displayNames.primary", before: "-", after: "Vienna" },
    ]);
  });

  it("a replaced server makes the gateway turn to the next one", async () => {
    const [port] = await freePorts(1);
    const report = await applied({ ports: { ...deployment.ports, "primary-server": port } });
    expect(report).toMatchObject({
      risk: "medium",
      interruptions: { writes: { stops: true, seconds: turnSeconds } },
    });
  });

  it("a replaced gateway stops reads and writes", async () => {
    const [port] = await freePorts(1);
    const report = await applied({ ports: { ...deployment.ports, gatewayStatistics: port } });
    expect(report).toMatchObject({
      risk: "medium",
      interruptions: { writes: { stops: true }, reads: { stops: true } },
    });
  });

  it("a replaced shared database stops writes, and keeps its data", async () => {
    const [port] = await freePorts(1);
    const report = await applied({ ports: { ...deployment.ports, "shared-database": port } });
    expect(report).toMatchObject({
      risk: "medium",
      data: [],
      interruptions: { writes: { stops: true, seconds: 3 }, reads: { stops: true, seconds: 1 } },
    });
    expect(await nodes.reveal("gateway", resource)).toBe("read while things change");
  });

  it("what is dangerous is refused with exit code 3, what is wrong is an error with 1", async () => {
    deployment.configure({ transition: "restore", transitionId: "never promoted" });
    const dangerous = await deployment.script("scripts/preview.ts", ["--markdown"]);
    deployment.configure({ transition: undefined, transitionId: undefined, modell: "full" });
    const wrong = await deployment.script("scripts/preview.ts");
    deployment.configure({ modell: undefined });
    expect([dangerous.exitCode, dangerous.stdout]).toEqual([
      3,
      expect.stringMatching(/REFUSED because it would be dangerous, risk high[\s\S]*nothing was promoted/),
    ]);
    expect([wrong.exitCode, wrong.stdout]).toEqual([
      1,
      expect.stringMatching(/no preview possible[\s\S]*Did you mean "model"\?/),
    ]);
  });
});

function replacedNodes({ changes }: ImpactReport): readonly string[] {
  return changes
    .filter(({ kind, action }) => kind === "container" && action === "replaced")
    .map(({ node }) => node ?? "")
    .sort();
}
