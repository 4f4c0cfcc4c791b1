import { describe, expect, it } from "vitest";
import type { Overview } from "../../server/overview/schema.ts";
import { Deployment } from "../support/deployment.ts";
import { underLoad } from "../support/load.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { cutOff, nodeSays, reconnect } from "../support/transitionFaults.ts";

const slot = (nodes: Nodes) =>
  nodes.sql(
    "shared-database",
    "SELECT active, wal_status FROM pg_replication_slots WHERE slot_name = 'read_only'",
  );

describe("the read-only database is cut off", () => {
  it("for a while: writes go on, the slot keeps what it misses, and it catches up", async () => {
    const deployment = await Deployment.shared();
    const nodes = await Nodes.of(deployment);
    const report = await underLoad(deployment, async (load) => {
      await load.more(50);
      await cutOff(nodes, "read-only-database");
      await load.more(500);
      const status = await eventually("the status says so", async () => {
        const seen = await deployment.status();
        return seen.verdict === "degraded" ? seen : undefined;
      });
      expect(status.exitCode).toBe(3);
      expect(status.findings.map(({ subject }) => subject)).toContain("read-only database");
      await eventually("the slot is not in use", async () => (await slot(nodes)) === "f|reserved");
      // Nobody hears of it any more, and still it is told from one that has ended.
      for (const node of ["primary-server", "read-only-server"]) {
        const { body } = await nodes.request(node, "/api/high-availability");
        expect((JSON.parse(body) as Overview).databases[1]).toMatchObject({
          ...{ name: "read-only", active: false },
          causes: { likely: "network" },
        });
      }
      await nodes.sql("shared-database", "SELECT pg_switch_wal(); CHECKPOINT");
      await load.more(200);
      await reconnect(nodes, "read-only-database");
      await healthy(deployment, 60);
    });
    expect(await slot(nodes)).toBe("t|reserved");
    expect(report.failed).toEqual([]);
    expect(report.writeGapSeconds).toBeLessThan(3);
  });

  it("for too long: the status says that its slot was lost, and what to do", async () => {
    await using deployment = await Deployment.start("slot", { model: "read-only", slotWalKeepMegabytes: 64 });
    const nodes = await Nodes.of(deployment);
    await cutOff(nodes, "read-only-database");
    await eventually("the slot is not in use", async () => (await slot(nodes)).startsWith("f|"));
    // Each switch fills the rest of a segment of 16 MB.
    for (let segment = 0; segment < 8; segment++)
      await nodes.sql(
        "shared-database",
        "SELECT pg_logical_emit_message(false, 'test', 'x'); SELECT pg_switch_wal()",
      );
    await nodes.sql("shared-database", "CHECKPOINT");
    expect(await slot(nodes)).toBe("f|lost");
    await reconnect(nodes, "read-only-database");
    const finding = await eventually("the status says so", async () => {
      const { findings, exitCode } = await deployment.status();
      const found = findings.find(({ problem }) => problem.includes("was lost"));
      return found && { ...found, exitCode };
    });
    expect(finding).toEqual({
      exitCode: 3,
      subject: "read-only database",
      problem: expect.stringMatching(/^its slot read_only was lost: .*slotWalKeepMegabytes/),
      remedy: expect.stringContaining("rebuild"),
    });
    // The writable database is not held up by it.
    await nodes.store("after the loss", "works");
  });
});

describe("a database crashes with much to replay", () => {
  it("it says where it is until it is open, and everything is there", async () => {
    const deployment = await Deployment.shared();
    const nodes = await Nodes.of(deployment);
    const container = nodes.container("shared-database");
    const processorTime = (microseconds: string) =>
      nodes.docker("update", "--cpu-period", "100000", "--cpu-quota", microseconds, container);
    await nodes.sql("shared-database", "CHECKPOINT");
    await nodes.sql("shared-database", "CREATE TABLE long AS SELECT generate_series(1, 1000000) AS n");
    await nodes.docker("kill", container);
    // So slow that its replay can be watched.
    await processorTime("10000");
    try {
      await nodes.docker("start", container);
      await eventually(
        "the status says which segment is replayed",
        async () =>
          /^starting: recovering [0-9A-F]{24}$/.test((await deployment.status()).databases[0]?.detail ?? ""),
        60,
      );
    } finally {
      await processorTime("-1");
    }
    await healthy(deployment, 60);
    expect(await nodes.sql("shared-database", "SELECT count(*) FROM long")).toBe("1000000");
    expect(await nodeSays(nodes, "shared")).toBe("starting: the database is open");
    await nodes.sql("shared-database", "DROP TABLE long");
  });
});
