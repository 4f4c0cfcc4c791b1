import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { parseLsn } from "../../core/lsn.ts";
import { segmentName } from "../../core/transition/unsentWal.ts";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { damages, evidenceOf, roles, transition, undamaged, underLoad } from "../support/transition.ts";
import {
  acceptsWrites,
  cutOff,
  divergeAndKill,
  haltOnce,
  inVolumes,
  nodeSays,
  reconnect,
  tablesKeptAside,
} from "../support/transitionFaults.ts";
import { killedAt, WorkingProcess } from "../support/transitionProcess.ts";

const data = "/var/lib/postgresql/data";
const servers = ["primary-server", "secondary-server", "read-only-server"];

/** As when the disk of the old primary cannot be read: what it had not sent is lost. */
const lossy = ["--allow-data-loss", "--no-read-unsent-wal"];

/** The size of a WAL segment in bytes. */
const segmentSize = async (nodes: Nodes) =>
  Number(await nodes.sql("read-only-database", "SELECT pg_size_bytes(current_setting('wal_segment_size'))"));

const timelineSql = "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int";

// One story, told in order: each test begins where the one before has ended.
describe.sequential("the shared database is gone", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    await healthy(deployment);
  });
  const tableIn = (node: string, table: string) =>
    nodes.sql(node, `SELECT to_regclass('${table}') IS NOT NULL`);
  /** Halts a standby's replay, which also asks for the WAL; until the returned function is called. */
  const haltReplay = async (node: string): Promise<() => Promise<void>> => {
    const startup = await nodes.sql(node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'");
    const signal = async (name: string) => {
      expect(await nodes.exec(node, "kill", `-${name}`, startup)).toMatchObject({ exitCode: 0 });
    };
    await signal("STOP");
    return () => signal("CONT");
  };
  /** A former primary with writes that the other one has not got, and does not get until its replay goes on. */
  const startBeforePromotion = async (table: string, id: string): Promise<() => Promise<void>> => {
    await divergeAndKill(nodes, table, "");
    await killedAt(deployment, "after:fence", ["promote", id, ...lossy]);
    const resume = await haltReplay("read-only-database");
    await nodes.docker("start", nodes.container("shared-database"));
    await eventually(
      "it is a standby with all that it wrote",
      async () => (await nodes.sql("shared-database", `SELECT count(*) FROM ${table}`)) === "2000",
    );
    return resume;
  };
  const expectPromoted = async () =>
    expect(await roles(deployment)).toMatchObject({
      "read-only database": "primary",
      "shared database": "standby",
      "read-only server": "read-write",
    });

  it("a promote is refused without a word about data loss, and says the last known position", async () => {
    await divergeAndKill(nodes, "first");
    const { exitCode, all } = await transition(deployment, "promote", "E-1");
    expect([exitCode, all]).toEqual([4, expect.stringContaining("the container of shared is stopped")]);
    expect(all).toMatch(/zero loss cannot be proved: read-only has replayed up to 0\/\w+ on timeline \d+/);
    expect(all).toContain('accept the loss for this transition: "pulumi config set allowDataLoss E-1"');
    expect(await nodes.sql("read-only-database", "SELECT pg_is_in_recovery()")).toBe("t");
    expect(evidenceOf(deployment, "E-1")).toMatchObject({ verdict: "refused", steps: [] });
  });

  it("a word for another transition does not count", async () => {
    deployment.configure({ transition: "promote", transitionId: "E-2", allowDataLoss: "E-1" });
    const { exitCode, all } = await deployment.preview();
    expect([exitCode, all]).not.toEqual([0, expect.anything()]);
    expect(all).toContain('"pulumi config set allowDataLoss E-2"');
    deployment.configure({ transition: undefined, transitionId: undefined, allowDataLoss: undefined });
  });

  it("with the word it promotes; the old one comes back rewound, its own data is kept aside", async () => {
    const { exitCode, all } = await transition(deployment, "promote", "E-3", ...lossy);
    expect([exitCode, all]).toEqual([0, expect.stringContaining("WRITES MAY BE LOST")]);
    await expectPromoted();
    const evidence = evidenceOf(deployment, "E-3");
    expect(evidence).toMatchObject({
      verdict: "done",
      lostWrites: null,
      error: null,
      warnings: [expect.stringContaining("did not send are lost")],
    });
    expect(evidence.steps.map(({ step }) => step.split(" ")[0])).toEqual(["fence", "promote", "shared"]);
    const rejoin = evidence.steps.at(-1)?.details.rejoin as Record<string, string>;
    expect(rejoin).toMatchObject({
      method: "rewind",
      transitionId: "E-3",
      forkLsn: expect.stringMatching(/^0\/\w+$/),
      endLsn: expect.stringMatching(/^0\/\w+$/),
      keptAt: expect.stringContaining(`${data}.diverged-`),
    });
    expect(Number.parseInt(rejoin.endLsn?.slice(2) ?? "", 16)).toBeGreaterThan(
      Number.parseInt(rejoin.forkLsn?.slice(2) ?? "", 16),
    );
    expect(await tableIn("shared-database", "first")).toBe("f");
    expect(await tablesKeptAside(nodes, "shared-database", rejoin.keptAt ?? "")).toContain("first");
  });

  it("the disk of the old primary is lost too: restore copies it, and loses nothing", async () => {
    await nodes.docker("kill", nodes.container("shared-database"));
    await inVolumes(nodes, "shared-database", `rm -rf ${data} ${data}.diverged-*`);
    const { result, load, report } = await underLoad(deployment, () =>
      transition(deployment, "restore", "E-4"),
    );
    expect([result.exitCode, result.all]).toEqual([0, expect.stringContaining("restore: done")]);
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    await healthy(deployment);
  });

  it.each([
    {
      what: "its own data, which was not to be kept: it is copied again",
      id: "E-18",
      options: ["--no-keep-diverged"],
      rewound: data,
      rejoin: { method: "base-backup", reason: expect.stringContaining("interrupted") },
    },
    {
      what: "a copy of its data: it is rewound from the start; what it had is kept once, and whole",
      id: "E-12",
      options: [],
      rewound: `${data}.incoming`,
      rejoin: { method: "rewind", keptAt: expect.stringContaining(`${data}.diverged-`) },
    },
  ])("killed while it rewinds $what", async ({ id, options, rewound, rejoin: expected }) => {
    await nodes.sql("shared-database", "CREATE TABLE much AS SELECT generate_series(1, 1500000) AS n");
    await eventually("much has arrived", () =>
      nodes.sql("read-only-database", "SELECT count(*) FROM much").then((count) => count === "1500000"),
    );
    // pg_rewind needs the WAL since the last checkpoint that both have.
    await nodes.sql("shared-database", "CHECKPOINT");
    const before = await nodes.sql("shared-database", timelineSql);
    // Each of its pages has to come from the other database: the rewind takes long enough to be met half way.
    await divergeAndKill(nodes, "halfway", "UPDATE much SET n = n + 1; CHECKPOINT");
    await inVolumes(nodes, "shared-database", `install -d -o 999 -g 999 ${data}.incoming`);
    const promoting = transition(deployment, "promote", id, ...lossy, ...options);
    const newHistory = `${rewound}/pg_wal/${(Number(before) + 1).toString(16).toUpperCase().padStart(8, "0")}.history`;
    await eventually("the rewind is halted half way", () =>
      haltOnce(nodes, "shared-database", "pg_rewind", newHistory),
    );
    await nodes.docker("kill", nodes.container("shared-database"));
    await nodes.docker("start", nodes.container("shared-database"));
    const { exitCode, all } = await promoting;
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
    const rejoin = evidenceOf(deployment, id).steps.at(-1)?.details.rejoin as Record<string, string>;
    expect(rejoin).toMatchObject(expected);
    const { keptAt } = rejoin;
    const folders = await nodes.exec("shared-database", "sh", "-c", `ls -d ${data}*`);
    expect(folders.stdout.split("\n")).toEqual(keptAt ? [data, keptAt] : [data]);
    if (keptAt) expect(await tablesKeptAside(nodes, "shared-database", keptAt)).toContain("halfway");
    await expectPromoted();
    expect(await tableIn("shared-database", "halfway")).toBe("f");
    await nodes.sql("read-only-database", "DROP TABLE much");
    expect((await transition(deployment, "restore", id)).exitCode).toBe(0);
    expect((await healthy(deployment)).databases[0]?.keptData).toEqual(
      keptAt ? [{ folder: keptAt, bytes: expect.toSatisfy((bytes: number) => bytes > 10_000_000) }] : [],
    );
  });

  it("what is kept aside is named, and removed on a person's word only", async () => {
    const [kept] = (await healthy(deployment)).databases[0]?.keptData ?? [];
    const keptData = (...args: string[]) => nodes.exec("shared-database", "kept-data", ...args);
    for (const folder of [data, `${data}.diverged-`, `${kept?.folder}/../data`])
      expect(await keptData("remove", folder)).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining(`${folder} is not kept here`),
      });
    expect((await keptData("remove")).exitCode).toBe(2);
    // It was opened meanwhile, which changes its size.
    expect(JSON.parse((await keptData()).stdout)).toMatchObject([{ folder: kept?.folder }]);
    expect(await keptData("remove", kept?.folder ?? "")).toMatchObject({ exitCode: 0, stdout: "[]" });
    const folders = await nodes.exec("shared-database", "sh", "-c", `ls -d ${data}*`);
    expect(folders.stdout).toBe(data);
    expect((await healthy(deployment)).databases[0]?.keptData).toEqual([]);
  });

  it("its disk can be read: what it had not sent is on the new primary, and it comes back as it is", async () => {
    // Several segments, in the middle of which the replica was cut off.
    await divergeAndKill(
      nodes,
      "readBack",
      "DO $$ BEGIN FOR n IN 1..3 LOOP PERFORM pg_switch_wal(); CREATE TABLE IF NOT EXISTS much AS SELECT generate_series(1, 500000); END LOOP; END $$",
    );
    const { exitCode, all } = await transition(deployment, "promote", "E-19", "--allow-data-loss");
    expect([exitCode, all]).toEqual([0, expect.stringContaining("unless its disk can be read")]);
    await expectPromoted();
    const { lostWrites, steps } = evidenceOf(deployment, "E-19");
    const [, promoted, followed] = steps.map(({ details }) => details);
    expect([lostWrites, promoted, followed]).toEqual([
      0,
      expect.objectContaining({
        unsentWal: {
          from: "shared",
          receivedLsn: expect.stringMatching(/^0\/\w+$/),
          bytes: expect.toSatisfy((bytes: number) => bytes > 30_000_000),
        },
      }),
      expect.objectContaining({ rejoin: expect.objectContaining({ method: "as-is" }) }),
    ]);
    for (const node of ["shared-database", "read-only-database"])
      expect(await nodes.sql(node, "SELECT count(*) FROM readBack")).toBe("2000");
    await nodes.sql("read-only-database", "DROP TABLE much");
    expect((await transition(deployment, "restore", "E-19")).exitCode).toBe(0);
    await healthy(deployment);
  });

  it("what its disk holds does not go on where the sent WAL ends: it is left alone, and no proof is claimed", async () => {
    await divergeAndKill(nodes, "unreadable", "");
    const [timeline, received] = (
      await nodes.sql(
        "read-only-database",
        "SELECT ('x' || max(left(name, 8)))::bit(32)::int, pg_last_wal_receive_lsn() FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'",
      )
    ).split("|");
    const last = parseLsn(received ?? "") - 1;
    const segmentBytes = await segmentSize(nodes);
    const segment = segmentName(Number(timeline), last, segmentBytes);
    const offset = last % segmentBytes;
    // The last byte that was sent is another one on the disk now.
    const flip = `cd ${data}/pg_wal && byte=$(od -An -tu1 -j ${offset} -N 1 ${segment}) &&
      printf "\\\\$(printf %o $((byte ^ 255)))" | dd of=${segment} bs=1 seek=${offset} conv=notrunc status=none`;
    await inVolumes(nodes, "shared-database", flip);
    const { exitCode, all } = await transition(deployment, "promote", "E-20", "--allow-data-loss");
    expect([exitCode, all]).toEqual([0, expect.stringContaining("does not go on where the own WAL ends")]);
    await expectPromoted();
    const { lostWrites, steps } = evidenceOf(deployment, "E-20");
    expect([lostWrites, steps[1]?.details]).toEqual([
      null,
      expect.objectContaining({ unsentWal: { problem: expect.stringContaining("left alone") } }),
    ]);
    expect(await tableIn("read-only-database", "unreadable")).toBe("f");
    expect((await transition(deployment, "restore", "E-20")).exitCode).toBe(0);
    await healthy(deployment);
  });

  it("much was written since the last checkpoint that both have: it is rewound all the same", async () => {
    await nodes.sql("shared-database", "CHECKPOINT");
    // 100 segments of 4 MB: more than a database keeps behind a checkpoint of its own, less than begins one.
    await nodes.sql(
      "shared-database",
      "DO $$ BEGIN FOR n IN 1..100 LOOP PERFORM pg_logical_emit_message(false, 'segment', ''); PERFORM pg_switch_wal(); END LOOP; END $$",
    );
    await eventually("the replica has it", () =>
      nodes
        .sql("shared-database", "SELECT replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication")
        .then((all) => all === "t"),
    );
    await divergeAndKill(nodes, "afterMuch", "");
    const { exitCode, all } = await transition(deployment, "promote", "E-13", ...lossy);
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
    expect(evidenceOf(deployment, "E-13").steps.at(-1)?.details.rejoin).toMatchObject({ method: "rewind" });
    expect((await transition(deployment, "restore", "E-13")).exitCode).toBe(0);
    await healthy(deployment);
  });

  it("started by somebody between its fencing and the promotion, it hands over what it has, and nothing is lost", async () => {
    await divergeAndKill(nodes, "halted", "");
    await killedAt(deployment, "after:fence", ["promote", "E-14", "--allow-data-loss"]);
    await nodes.docker("start", nodes.container("shared-database"));
    await eventually(
      "it is a standby",
      async () => (await nodes.sql("shared-database", "SELECT pg_is_in_recovery()")) === "t",
    );
    const { exitCode, all } = await transition(deployment, "promote", "E-14", "--allow-data-loss");
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
    await expectPromoted();
    expect(evidenceOf(deployment, "E-14")).toMatchObject({ verdict: "done", lostWrites: 0 });
    for (const node of ["shared-database", "read-only-database"])
      expect(await nodes.sql(node, "SELECT count(*) FROM halted")).toBe("2000");
    expect((await transition(deployment, "restore", "E-14")).exitCode).toBe(0);
    await healthy(deployment);
  });

  it("started by somebody then, and lost before the other one has what it wrote: that is kept aside, and it is rewound", async () => {
    const resume = await startBeforePromotion("unheard", "E-15");
    await nodes.docker("kill", nodes.container("shared-database"));
    await resume();
    const { exitCode, all } = await transition(deployment, "promote", "E-15", ...lossy);
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
    await expectPromoted();
    const { rejoin } = evidenceOf(deployment, "E-15").steps.at(-1)?.details as { rejoin: { keptAt: string } };
    expect(rejoin).toMatchObject({ method: "rewind", keptAt: expect.stringContaining(`${data}.diverged-`) });
    expect(await tableIn("shared-database", "unheard")).toBe("f");
    expect(await tablesKeptAside(nodes, "shared-database", rejoin.keptAt)).toContain("unheard");
    expect((await transition(deployment, "restore", "E-15")).exitCode).toBe(0);
    await healthy(deployment);
  });

  it("started by somebody then, and silent while the other one is promoted: it notices, and is rewound while it runs", async () => {
    const resume = await startBeforePromotion("unseen", "E-17");
    await nodes.docker("pause", nodes.container("shared-database"));
    await resume();
    // As by a driver that cannot reach the silent one, and was told that it is down.
    await nodes.sql("read-only-database", "SELECT pg_promote()");
    await nodes.docker("unpause", nodes.container("shared-database"));
    const { exitCode, all } = await transition(deployment, "promote", "E-17", "--allow-data-loss");
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
    await expectPromoted();
    expect(await tableIn("shared-database", "unseen")).toBe("f");
    const kept = await nodes.exec("shared-database", "sh", "-c", `ls -d ${data}.diverged-* | tail -n 1`);
    expect(await tablesKeptAside(nodes, "shared-database", kept.stdout)).toContain("unseen");
    expect((await transition(deployment, "restore", "E-17")).exitCode).toBe(0);
    await healthy(deployment);
  });

  it("it has nothing that the other one has not: it comes back as it is, also with WAL segments made ready for later", async () => {
    const current = await nodes.sql("shared-database", "SELECT pg_walfile_name(pg_current_wal_lsn())");
    await eventually("the replica has everything", () =>
      nodes
        .sql("shared-database", "SELECT replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication")
        .then((all) => all === "t"),
    );
    await nodes.docker("kill", nodes.container("shared-database"));
    // pg_waldump looks into the first of them that it comes upon, in no order.
    const made = `for n in 0 1 2 3 4 5 6 7 8 9 A B C D E F; do
      f=${data}/pg_wal/${current.slice(0, 16)}000000F$n && head -c ${await segmentSize(nodes)} /dev/zero > $f && chown 999:999 $f || exit; done`;
    await inVolumes(nodes, "shared-database", made);
    const { exitCode, all } = await transition(deployment, "promote", "E-16", "--allow-data-loss");
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
    expect(evidenceOf(deployment, "E-16").steps.at(-1)?.details.rejoin).toMatchObject({
      method: "as-is",
      endLsn: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
    });
    expect((await transition(deployment, "restore", "E-16")).exitCode).toBe(0);
    await healthy(deployment);
  });

  it("the old one cannot be rewound, because its WAL is gone: it is copied again", async () => {
    // No checkpoint after the last byte that both have: only the lost WAL could tell that the data went further.
    await divergeAndKill(nodes, "second", "");
    await inVolumes(nodes, "shared-database", `rm -f ${data}/pg_wal/0*`);
    const resume = await haltReplay("read-only-database");
    const promoting = transition(deployment, "promote", "E-5", "--allow-data-loss");
    await sleep(6000);
    await resume();
    const { exitCode, all } = await promoting;
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
    expect(all).toMatch(/read-only: replays what it has received: at 0\/\w+/);
    const evidence = evidenceOf(deployment, "E-5");
    expect(evidence.steps.at(-1)?.details.rejoin).toMatchObject({
      method: "base-backup",
      keptAt: expect.stringContaining(`${data}.diverged-`),
    });
    await expectPromoted();
    expect(await tableIn("shared-database", "second")).toBe("f");
    expect((await transition(deployment, "restore", "E-5")).exitCode).toBe(0);
    await healthy(deployment);
  });

  it("an old primary that is only cut off is stopped before the other one is promoted", async () => {
    await cutOff(nodes, "shared-database");
    const refused = await transition(deployment, "promote", "E-6");
    expect([refused.exitCode, refused.all]).toEqual([
      4,
      expect.stringContaining("zero loss cannot be proved"),
    ]);
    expect(await acceptsWrites(nodes, "shared")).toBe(true);
    const promote = WorkingProcess.transition(
      deployment,
      "promote",
      "E-6",
      { at: "after:fence" },
      "--allow-data-loss",
    );
    await promote.says("paused at after:fence");
    expect(await nodes.inspect("shared-database", "{{.State.Running}}")).toBe("false");
    expect(await nodes.sql("read-only-database", "SELECT pg_is_in_recovery()")).toBe("t");
    await promote.killTree();
    await reconnect(nodes, "shared-database");
    const { exitCode, all } = await transition(deployment, "promote", "E-6", "--allow-data-loss");
    expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
    await expectPromoted();
    expect((await transition(deployment, "restore", "E-6")).exitCode).toBe(0);
    await healthy(deployment);
  });

  describe.sequential("and an old primary that could not be fenced comes back", () => {
    beforeAll(async () => {
      const oldIntent = await nodes.exec("shared-database", "cat", "/var/lib/pg-continuity/intent.json");
      await nodes.docker("kill", nodes.container("shared-database"));
      await killedAt(deployment, "after:promote", ["promote", "E-7", "--allow-data-loss"]);
      // As if its host had been out of reach: it still thinks that it is the primary.
      await inVolumes(
        nodes,
        "shared-database",
        `printf '%s' '${oldIntent.stdout}' > /var/lib/pg-continuity/intent.json`,
      );
    });

    /** Starts the old primary, and sees that not one write gets in for some seconds. Says what it says of itself. */
    async function returnsClosed(): Promise<string> {
      await nodes.docker("start", nodes.container("shared-database"));
      let writes = 0;
      const until = Date.now() + 4000;
      while (Date.now() < until) if (await acceptsWrites(nodes, "shared")) writes++;
      expect(writes).toBe(0);
      const said = await nodeSays(nodes, "shared");
      await nodes.docker("stop", nodes.container("shared-database"));
      return said;
    }

    it("with the new primary up: closed, it names the timeline", async () => {
      expect(await returnsClosed()).toMatch(
        /closed: database read-only is on timeline \d+, own is \d+: it was promoted/,
      );
    });

    it("with the new primary down and a server up: closed, by the witness", async () => {
      await nodes.docker("stop", nodes.container("read-only-database"));
      expect(await returnsClosed()).toMatch(/closed: witness \S+ has seen timeline \d+, own is \d+/);
    });

    it("with nobody there: closed, it says how a person overrides, and the override opens it", async () => {
      await Promise.all(servers.map((node) => nodes.docker("stop", nodes.container(node))));
      expect(await returnsClosed()).toMatch(/closed: nobody can say .* docker exec \S+ override-guard$/);
      await nodes.docker("start", nodes.container("shared-database"));
      await eventually("it waits closed", async () => (await nodeSays(nodes, "shared")).startsWith("closed"));
      expect(await nodes.exec("shared-database", "override-guard")).toMatchObject({ exitCode: 0 });
      await eventually("it opens", () => acceptsWrites(nodes, "shared"), 20);
      // It is closed again at once when it hears of the promotion: by a server that has seen it.
      await nodes.docker("start", nodes.container("secondary-server"));
      await eventually(
        "it is closed",
        async () => (await nodeSays(nodes, "shared")).startsWith("closed"),
        20,
      );
      await sleep(1000);
      expect(await acceptsWrites(nodes, "shared")).toBe(false);
    });

    it("the same promote run again sets it back, and all is well after a restore", async () => {
      for (const node of ["read-only-database", ...servers])
        await nodes.docker("start", nodes.container(node));
      await eventually("the new primary is open", () => acceptsWrites(nodes, "read-only"));
      const { exitCode, all } = await transition(deployment, "promote", "E-7", "--allow-data-loss");
      expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
      await expectPromoted();
      const { result, load } = await underLoad(deployment, () => transition(deployment, "restore", "E-7"));
      expect([result.exitCode, result.all]).toEqual([0, expect.stringContaining("restore: done")]);
      expect(await damages(deployment, load)).toEqual(undamaged);
      await healthy(deployment);
    });
  });

  // PostgreSQL writes a promotion's timeline into pg_control only with the checkpoint after it, which takes its time.
  describe.sequential("right after a promotion, before its checkpoint is done", () => {
    const timelines = (node: string) =>
      nodes.sql(
        node,
        "SELECT timeline_id < ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int FROM pg_control_checkpoint()",
      );

    beforeAll(async () => {
      // Pages that the next checkpoint has to write, on both: it is spread over minutes.
      await nodes.sql("shared-database", "CREATE TABLE pages AS SELECT generate_series(1, 500000)");
    });

    it("the new primary crashes: it opens again by itself", async () => {
      const promote = WorkingProcess.transition(deployment, "promote", "E-8", { at: "after:switch-over" });
      await promote.says("paused at after:switch-over");
      expect(await timelines("read-only-database")).toBe("t");
      await nodes.crash("read-only-database");
      await eventually("it accepts writes again", () => acceptsWrites(nodes, "read-only"), 20);
      await promote.killTree();
      const { exitCode, all } = await transition(deployment, "promote", "E-8");
      expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
      await expectPromoted();
    });

    it("the new primary is lost with what nobody else has: it comes back rewound", async () => {
      await nodes.sql("read-only-database", "UPDATE pages SET generate_series = -generate_series");
      expect((await transition(deployment, "restore", "E-8")).exitCode).toBe(0);
      expect(await timelines("shared-database")).toBe("t");
      await divergeAndKill(nodes, "third", "");
      const { exitCode, all } = await transition(deployment, "promote", "E-9", ...lossy);
      expect([exitCode, all]).toEqual([0, expect.stringContaining("promote: done")]);
      expect(evidenceOf(deployment, "E-9").steps.at(-1)?.details.rejoin).toMatchObject({ method: "rewind" });
      await expectPromoted();
      expect(await tableIn("shared-database", "third")).toBe("f");
      expect((await transition(deployment, "restore", "E-9")).exitCode).toBe(0);
      await healthy(deployment);
    });
  });
});
