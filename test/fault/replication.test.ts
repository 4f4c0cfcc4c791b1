import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Overview } from "../../server/overview/schema.ts";
import { Deployment } from "../support/deployment.ts";
import { underLoad } from "../support/load.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import {
  damages,
  evidenceOf,
  underLoad as loadDuring,
  transition,
  undamaged,
} from "../support/transition.ts";
import {
  cutOff,
  divergeAndKill,
  haltOnce,
  inVolumes,
  nodeSays,
  reconnect,
  tablesKeptAside,
} from "../support/transitionFaults.ts";
import { killedAt } from "../support/transitionProcess.ts";

const data = "/var/lib/postgresql/data";

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
});

// One story, told in order: each test begins where the one before has ended.
describe.sequential("a standby is away for so long that its slot is lost", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.start("slot", { model: "read-only", slotWalKeepMegabytes: 64 });
    nodes = await Nodes.of(deployment);
  });
  afterAll(() => deployment?.[Symbol.asyncDispose]());

  /** Writes more WAL than a slot may hold back. */
  async function loseSlot(primary: string, name: string): Promise<void> {
    const state = () =>
      nodes.sql(primary, `SELECT active, wal_status FROM pg_replication_slots WHERE slot_name = '${name}'`);
    // One that holds nothing yet begins where the WAL is then.
    await eventually("the slot is not in use, and holds WAL", async () => (await state()) === "f|reserved");
    await nodes.sql(
      primary,
      "DO $$ BEGIN FOR n IN 1..32 LOOP PERFORM pg_logical_emit_message(false, 'segment', ''); PERFORM pg_switch_wal(); END LOOP; END $$",
    );
    await nodes.sql(primary, "CHECKPOINT");
    expect(await state()).toBe("f|lost");
  }

  /** What the status says of a lost slot. */
  const lostSlot = () =>
    eventually("the status says so", async () => {
      const { findings, exitCode } = await deployment.status();
      const found = findings.find(({ problem }) => problem.includes("was lost"));
      return found && { ...found, exitCode };
    });

  /** How the old primary came back in the last transition of this id. */
  const rejoinIn = (id: string) =>
    evidenceOf(deployment, id).steps.find(({ details }) => details.rejoin)?.details.rejoin as Record<
      string,
      string
    >;

  it("the read-only one: the status says that its slot was lost, and what to do, which helps", async () => {
    await cutOff(nodes, "read-only-database");
    await loseSlot("shared-database", "read_only");
    await reconnect(nodes, "read-only-database");
    expect(await lostSlot()).toEqual({
      exitCode: 3,
      subject: "read-only database",
      problem: expect.stringMatching(/^its slot read_only was lost: .*slotWalKeepMegabytes/),
      remedy: expect.stringContaining("rebuild"),
    });
    // The writable database is not held up by it.
    await nodes.store("after the loss", "works");
    const { exitCode, all } = await transition(deployment, "rebuild", "S-1");
    expect([exitCode, all]).toEqual([0, expect.stringContaining("rebuild: done")]);
    await healthy(deployment);
  });

  it("the old primary, with writes that nobody else has: they are kept aside, and it is copied again", async () => {
    await divergeAndKill(nodes, "unsent");
    await killedAt(deployment, "after:promote", [
      "promote",
      "S-2",
      "--allow-data-loss",
      "--no-read-unsent-wal",
    ]);
    await loseSlot("read-only-database", "shared");
    const plan = await transition(deployment, "promote", "S-2", "--allow-data-loss", "--dry-run");
    expect([plan.exitCode, plan.all]).toEqual([
      0,
      expect.stringContaining("shared follows read-only (by base backup: it was away for more WAL than"),
    ]);
    const promoting = transition(deployment, "promote", "S-2", "--allow-data-loss");
    await eventually("the copy is halted half way", () =>
      haltOnce(nodes, "shared-database", "pg_basebackup", `${data}.incoming/PG_VERSION`),
    );
    // Until the copy is complete, what it has is where it was.
    await nodes.docker("kill", nodes.container("shared-database"));
    await inVolumes(nodes, "shared-database", `test -s ${data}/global/pg_control`);
    await nodes.docker("start", nodes.container("shared-database"));
    const { exitCode, all } = await promoting;
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
    const rejoin = rejoinIn("S-2");
    expect(rejoin).toMatchObject({
      method: "base-backup",
      reason: expect.stringContaining("read-only has not kept the WAL since then"),
    });
    expect(await tablesKeptAside(nodes, "shared-database", rejoin?.keptAt ?? "")).toContain("unsent");
    expect(await nodes.sql("shared-database", "SELECT to_regclass('unsent') IS NULL")).toBe("t");
  });

  it("the shared one, as standby of the acting primary: restore copies it again, and loses nothing", async () => {
    const id = await nodes.store("before the restore", "kept");
    await cutOff(nodes, "shared-database");
    await loseSlot("read-only-database", "shared");
    await reconnect(nodes, "shared-database");
    expect(await lostSlot()).toMatchObject({
      subject: "shared database",
      remedy: expect.stringContaining("restore"),
    });
    const { result, load, report } = await loadDuring(deployment, () =>
      transition(deployment, "restore", "S-3"),
    );
    expect([result.exitCode, result.all]).toEqual([0, expect.stringContaining("restore: done")]);
    expect(rejoinIn("S-3")).toMatchObject({ method: "base-backup" });
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    expect(await nodes.reveal("gateway", id)).toBe("kept");
    await healthy(deployment);
  });
});

describe("a database is told something while nobody listens", () => {
  it("it heeds it all the same", async () => {
    const deployment = await Deployment.shared();
    const nodes = await Nodes.of(deployment);
    const startedAt = () => nodes.sql("read-only-database", "SELECT pg_postmaster_start_time()");
    const before = await startedAt();
    // As by a signal that comes while the node is on its way between reading its intent and opening: it wakes nobody.
    const intent = "/var/lib/pg-continuity/intent.json";
    const rewrite = `jq -c '.transitionId = "unheard"' ${intent} > ${intent}.told && mv ${intent}.told ${intent}`;
    expect(await nodes.exec("read-only-database", "sh", "-c", rewrite)).toMatchObject({ exitCode: 0 });
    await eventually("it has begun anew", async () => ![before, ""].includes(await startedAt()));
    await healthy(deployment);
  });
});

// As where it crashes at that very moment. Those that are connected stay so.
describe("the new primary does not let the old one in at once", () => {
  it.each([
    { role: "replication", asks: "to tell its history", id: "H-1", diverges: false },
    { role: "rewind", asks: "to answer, for a checkpoint", id: "H-2", diverges: true },
  ])("which waits for it $asks, and is not copied", async ({ role, asks, id, diverges }) => {
    const deployment = await Deployment.shared();
    const nodes = await Nodes.of(deployment);
    await healthy(deployment);
    const allow = (node: string, until: string) =>
      nodes.sql(node, `ALTER ROLE ${role} VALID UNTIL '${until}'`);
    await allow("shared-database", "2000-01-01");
    if (diverges) await divergeAndKill(nodes, "let_in", "");
    const options = diverges ? ["--allow-data-loss", "--no-read-unsent-wal"] : [];
    const promoting = transition(deployment, "promote", id, ...options);
    try {
      await eventually("it waits", async () => (await nodeSays(nodes, "shared")).includes(asks));
      // Longer than a few attempts take.
      await sleep(8000);
    } finally {
      await allow("read-only-database", "infinity");
    }
    const { exitCode, all } = await promoting;
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
    const { lostWrites, steps } = evidenceOf(deployment, id);
    expect([lostWrites, steps.at(-1)?.details.rejoin]).toMatchObject(
      diverges ? [null, { method: "rewind" }] : [0, { method: "as-is" }],
    );
    expect((await transition(deployment, "restore", id)).exitCode).toBe(0);
    await healthy(deployment);
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
