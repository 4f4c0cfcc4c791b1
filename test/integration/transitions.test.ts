import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { transitionSeconds } from "../../core/preview/interruptions.ts";
import { Deployment } from "../support/deployment.ts";
import { elsewhere } from "../support/elsewhere.ts";
import { canRunEngine } from "../support/engine.ts";
import { expectSame, previewOf } from "../support/impact.ts";
import { healthy, Nodes } from "../support/nodes.ts";
import { ReadProbe } from "../support/readProbe.ts";
import { namesIn, secretsOf } from "../support/secrets.ts";
import {
  damages,
  evidenceOf,
  roles,
  transition,
  undamaged,
  underLoad,
  upWith,
} from "../support/transition.ts";

/** All acts of the databases' containers and roles that a refused or previewed transition must leave alone. */
async function fingerprint(nodes: Nodes): Promise<unknown> {
  const state = "SELECT pg_is_in_recovery(), pg_postmaster_start_time()";
  return {
    starts: await nodes.starts(),
    shared: [await nodes.sql("shared-database", state), await intent(nodes, "shared-database")],
    readOnly: [await nodes.sql("read-only-database", state), await intent(nodes, "read-only-database")],
  };
}

async function intent(nodes: Nodes, node: string): Promise<string> {
  return (await nodes.exec(node, "cat", "/var/lib/pg-continuity/intent.json")).stdout;
}

/** Where the data volume of a database is mounted. */
const volume = "/var/lib/postgresql";

/** An exit code that says that something was refused or went wrong. */
const failed = expect.toSatisfy((code: unknown) => typeof code === "number" && code !== 0);

/** Operations on resources that an `up` or `preview` printed, without "same". */
function summary(output: string): string {
  return output.slice(output.indexOf("Resources:")).trim();
}

// One story, told in order: each test begins where the one before has ended.
describe.sequential("transitions through Pulumi", () => {
  let deployment: Deployment;
  let nodes: Nodes;
  /** What is read while transitions run. */
  let resource: string;
  /** The timeline before the first transition. */
  let first: number;
  /** What the promote printed. */
  let printed = "";

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    first = (await healthy(deployment)).databases[0]?.timeline ?? 0;
    resource = await nodes.store("read while databases change their roles", "all the time");
  });

  /** Applies a transition while clients write and read; what they saw is what `npm run preview` has announced. */
  async function asAnnounced(config: Readonly<Record<string, unknown>>) {
    deployment.configure(config);
    const { exitCode, interruptions } = await previewOf(deployment);
    expect(exitCode).toBe(2);
    const reads = new ReadProbe(nodes, `/api/resources/${resource}`);
    const seen = await underLoad(deployment, () => upWith(deployment, {})).finally(() => reads.stop());
    const { writeGapSeconds: gapSeconds, failed } = seen.report;
    expectSame("writes", interruptions.writes, { gapSeconds, failed: failed.map(({ detail }) => detail) });
    expectSame("reads", interruptions.reads, reads);
    return { ...seen, interruptions };
  }

  afterAll(() => {
    deployment?.configure({ transition: undefined, transitionId: undefined });
  });

  describe.sequential("refused, with the reason, the way out and an exit code; nothing changes", () => {
    const refusals: readonly {
      what: string;
      config: Readonly<Record<string, unknown>>;
      reason: RegExp;
      remedy: string;
    }[] = [
      {
        what: "a restore when nothing was promoted",
        config: { transition: "restore", transitionId: "R-1" },
        reason: /the shared database is the writable one already/,
        remedy: "pulumi config set transition none",
      },
      {
        what: "a transition without an id",
        config: { transition: "promote", transitionId: "" },
        reason: /pg-continuity:transitionId/,
        remedy: "pulumi config set transitionId",
      },
      {
        what: "a promote together with a change of the model",
        config: { transition: "promote", transitionId: "R-2", model: "read-only" },
        reason: /the same change would turn the model from full into read-only/,
        remedy: "one after the other",
      },
      {
        what: "a promote in a model with one database",
        config: { transition: "promote", transitionId: "R-3", model: "secondary" },
        reason: /pg-continuity:transition/,
        remedy: "full or read-only",
      },
    ];

    it.each(refusals)("$what", async ({ config, reason, remedy }) => {
      const before = await fingerprint(nodes);
      deployment.configure(config);
      try {
        const preview = await deployment.preview();
        expect([preview.exitCode, preview.all]).toEqual([failed, expect.stringMatching(reason)]);
        expect(preview.all).toContain(remedy);
        const up = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
        expect([up.exitCode, up.all]).toEqual([failed, expect.stringMatching(reason)]);
        expect(await fingerprint(nodes)).toEqual(before);
      } finally {
        deployment.configure({ transition: undefined, transitionId: undefined, model: undefined });
      }
    });

    it("a promote while replay is paused on the replica", async () => {
      await nodes.sql("read-only-database", "SELECT pg_wal_replay_pause()");
      try {
        const before = await fingerprint(nodes);
        const { exitCode, all } = await transition(deployment, "promote", "R-4");
        expect([exitCode, all]).toEqual([4, expect.stringContaining("replay is paused on read-only")]);
        expect(all).toContain("SELECT pg_wal_replay_resume();");
        expect(await fingerprint(nodes)).toEqual(before);
      } finally {
        await nodes.sql("read-only-database", "SELECT pg_wal_replay_resume()");
      }
      expect(evidenceOf(deployment, "R-4")).toMatchObject({
        verdict: "refused",
        steps: [],
        error: expect.stringContaining("replay is paused"),
      });
    });

    it("a promote while the replica does not stream", async () => {
      await nodes.sql("read-only-database", "ALTER SYSTEM SET primary_conninfo = ''");
      await nodes.sql("read-only-database", "SELECT pg_reload_conf()");
      try {
        await expect
          .poll(() => nodes.sql("read-only-database", "SELECT count(*) FROM pg_stat_wal_receiver"))
          .toBe("0");
        const { exitCode, all } = await transition(deployment, "promote", "R-5");
        expect([exitCode, all]).toEqual([
          4,
          expect.stringContaining("read-only does not stream from shared"),
        ]);
        expect(all).toContain("npm run status");
      } finally {
        await nodes.sql("read-only-database", "ALTER SYSTEM RESET primary_conninfo");
        await nodes.sql("read-only-database", "SELECT pg_reload_conf()");
      }
      await healthy(deployment);
    });
  });

  it("a dry run shows the preflight as JSON and changes nothing", async () => {
    const before = await fingerprint(nodes);
    const { exitCode, stdout } = await transition(deployment, "promote", "D-1", "--dry-run", "--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      goal: { transition: "promote", transitionId: "D-1", allowDataLoss: false },
      plan: {
        steps: [
          { kind: "switch-over", from: "shared", to: "read-only" },
          {
            kind: "follow",
            database: "shared",
            upstream: "read-only",
            expected: { method: "as-is", reason: "it ends in order, and read-only has its last byte" },
          },
        ],
        refused: [],
      },
    });
    expect(await fingerprint(nodes)).toEqual(before);
  });

  it("the preview of a promote shows verdict, steps, what they cost, and changes nothing", async () => {
    const before = await fingerprint(nodes);
    deployment.configure({ transition: "promote", transitionId: "CHG-1" });
    const { exitCode, all } = await deployment.preview();
    expect([exitCode, all]).toEqual([0, expect.stringContaining("verdict: can run, no write is lost")]);
    expect(all).toMatch(new RegExp(`shared accepts writes: timeline ${first}, LSN 0/\\w+`));
    expect(all).toMatch(
      new RegExp(`read-only is a standby: timeline ${first}, LSN 0/\\w+, \\d+ bytes behind`),
    );
    expect(all).toMatch(/1\. checkpoint and stop shared in order.*\[writes wait, about 0\.3 s\]/);
    expect(all).toMatch(/2\. shared follows read-only.*\[no downtime/);
    expect(all).toMatch(/\+\s+.*promote-read-only/);
    expect(summary(all)).toMatch(/\+ 1 to create/);
    expect(await fingerprint(nodes)).toEqual(before);
  });

  it.runIf(canRunEngine)(
    "the preview from a machine that reaches neither databases nor engines says so, and shows the graph",
    async () => {
      const { exitCode, all } = await elsewhere(deployment, ["preview"]);
      expect([exitCode, all]).toEqual([
        0,
        expect.stringContaining(
          "promote (CHG-1): unknown from here, no database and no engine can be asked. The preflight is done again when it is applied",
        ),
      ]);
      expect(all).toMatch(/\+\s+.*promote-read-only/);
      expect(summary(all)).toMatch(/\+ 1 to create/);
    },
  );

  it("promote under load: writes wait as announced, nothing is lost or doubled, the old primary follows", async () => {
    const { result, load, report, interruptions } = await asAnnounced({});
    printed = result.all;
    expect(interruptions).toMatchObject({
      writes: { stops: true, seconds: transitionSeconds },
      reads: { stops: false },
    });
    expect([result.exitCode, result.all]).toEqual([0, expect.stringContaining("promote-read-only")]);
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    expect(await roles(deployment)).toMatchObject({
      "read-only database": "primary",
      "shared database": "standby",
      "read-only server": "read-write",
    });
    expect((await nodes.request("read-only-server", "/acting-primary")).status).toBe(200);
    expect(
      await nodes.sql(
        "read-only-database",
        "SELECT application_name, state, (SELECT active FROM pg_replication_slots WHERE slot_name = 'shared') FROM pg_stat_replication",
      ),
    ).toBe("shared-database|streaming|t");
    expect(await deployment.status()).toMatchObject({ phase: "promoted" });
    const answer = await nodes.request("gateway", "/api/resources?limit=1");
    expect(answer.headers).toMatchObject({ "x-served-by": "primary", "x-database": "read-only" });
  });

  it("leaves evidence: a file, and the same as a row in the database", async () => {
    const evidence = evidenceOf(deployment, "CHG-1");
    expect(evidence).toMatchObject({
      version: 1,
      transition: "promote",
      stack: deployment.stack,
      actor: expect.stringMatching(/^\S+@\S+$/),
      commit: expect.stringMatching(/^[0-9a-f]{40}$/),
      verdict: "done",
      lostWrites: 0,
      error: null,
      warnings: [],
    });
    const [before, after] = [evidence.before, evidence.after].map((side) =>
      Object.fromEntries(side.map(({ name, ...rest }) => [name, rest])),
    );
    const systemId = before?.shared?.systemId;
    expect(systemId).toMatch(/^\d{15,}$/);
    expect(before).toMatchObject({
      shared: { role: "primary", timeline: first, systemId },
      "read-only": { role: "standby", timeline: first, systemId },
    });
    expect(after).toMatchObject({
      shared: { role: "standby", timeline: first + 1, systemId },
      "read-only": { role: "primary", timeline: first + 1, systemId },
    });
    expect(evidence.writeGapSeconds).toBeGreaterThan(0);
    expect(evidence.steps.map(({ result }) => result)).toEqual(["done", "done"]);
    expect(evidence.steps[0]?.details).toMatchObject({
      oldPrimaryEndedAt: expect.stringMatching(/^0\/\w+$/),
      replayedLsn: expect.stringMatching(/^0\/\w+$/),
      timeline: first + 1,
    });
    expect(Date.parse(evidence.endedAt)).toBeGreaterThan(Date.parse(evidence.startedAt));
    const row = await nodes.sql(
      "shared-database",
      "SELECT evidence FROM continuity.transition WHERE evidence ->> 'transitionId' = 'CHG-1'",
      "vault",
    );
    expect(JSON.parse(row)).toEqual(evidence);
  });

  it("shows no secret: not in what it printed, nor in its evidence", async () => {
    const secrets = await secretsOf(deployment);
    expect(namesIn([...secrets.values()].join(), secrets)).toHaveLength(secrets.size);
    const evidence = JSON.stringify(evidenceOf(deployment, "CHG-1"));
    expect([printed.length > 500, ...namesIn(printed + evidence, secrets)]).toEqual([true]);
  });

  it("a second up does nothing", async () => {
    const before = await fingerprint(nodes);
    const { exitCode, all } = await upWith(deployment, {});
    expect([exitCode, summary(all)]).toEqual([0, expect.stringMatching(/^Resources:\s+\d+ unchanged/)]);
    const preview = await deployment.preview("--expect-no-changes");
    expect([preview.exitCode, preview.all]).toEqual([0, expect.stringContaining("was applied at")]);
    expect(await fingerprint(nodes)).toEqual(before);
  });

  it.each([
    [
      "promote",
      /the read-only database is the writable one already \(transition CHG-1\)/,
      "set transition restore",
    ],
    ["rebuild", /would throw the only current data away/, "set transition restore"],
  ])("refuses a %s while promoted", async (name, reason, remedy) => {
    const before = await fingerprint(nodes);
    deployment.configure({ transition: name, transitionId: "R-9" });
    const { exitCode, all } = await deployment.preview();
    expect([exitCode, all]).toEqual([failed, expect.stringMatching(reason)]);
    expect(all).toContain(remedy);
    expect(await fingerprint(nodes)).toEqual(before);
  });

  it("refuses to remove the read-only server while it is the acting primary", async () => {
    const before = await fingerprint(nodes);
    deployment.configure({ transition: "none", transitionId: undefined, model: "secondary" });
    try {
      const { exitCode, all } = await deployment.preview();
      expect([exitCode, all]).toEqual([
        failed,
        expect.stringContaining("would remove read-only-database, which is the writable database"),
      ]);
      expect(await fingerprint(nodes)).toEqual(before);
    } finally {
      deployment.configure({ model: undefined });
    }
  });

  it("restore under load: writes wait as announced, nothing is lost or doubled, everything is as declared", async () => {
    const { result, load, report, interruptions } = await asAnnounced({
      transition: "restore",
      transitionId: "CHG-2",
    });
    expect(interruptions.writes).toMatchObject({ stops: true, seconds: transitionSeconds });
    expect([result.exitCode, result.all]).toEqual([0, expect.stringContaining("restore-shared")]);
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    expect(await healthy(deployment)).toMatchObject({ phase: "normal", verdict: "ok" });
    expect(evidenceOf(deployment, "CHG-2")).toMatchObject({ verdict: "done", lostWrites: 0 });
  });

  it("a rebuild that the disk has no room for ends before anything is thrown away", async () => {
    const base = "/var/lib/postgresql/data/base/1/sparse";
    expect((await nodes.exec("shared-database", "truncate", "--size=10T", base)).exitCode).toBe(0);
    try {
      const before = await fingerprint(nodes);
      const { exitCode, all } = await transition(deployment, "rebuild", "R-10");
      expect([exitCode, all]).toEqual([
        1,
        expect.stringMatching(/read-only: \d{14} bytes are needed for the copy, \d+ are free\. Make room/),
      ]);
      expect(await fingerprint(nodes)).toEqual(before);
    } finally {
      await nodes.exec("shared-database", "rm", base);
    }
    expect(evidenceOf(deployment, "R-10")).toMatchObject({ verdict: "failed", lostWrites: 0 });
    await healthy(deployment);
  });

  it("rebuild while everything serves: as announced, nothing even waits", async () => {
    const system = "SELECT system_identifier FROM pg_control_system()";
    const before = await nodes.sql("shared-database", system);
    // What a rebuild that was killed has left.
    const left = await nodes.exec("read-only-database", "mkdir", "-p", `${volume}/data.discarded/base/1`);
    expect([left.exitCode, left.stderr]).toEqual([0, ""]);
    const { result, load, report, interruptions } = await asAnnounced({
      transition: "rebuild",
      transitionId: "CHG-3",
    });
    expect([interruptions.writes.stops, interruptions.reads.stops]).toEqual([false, false]);
    expect([result.exitCode, result.all]).toEqual([0, expect.stringContaining("rebuild-read-only")]);
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    expect(await nodes.sql("read-only-database", system)).toBe(before);
    const copied = await nodes.exec("read-only-database", "cat", `${volume}/data/pg-continuity-copy`);
    expect(copied.stdout.trim()).toBe("CHG-3");
    await expect
      .poll(async () => (await nodes.exec("read-only-database", "ls", volume)).stdout.trim())
      .toBe("data");
    const evidence = evidenceOf(deployment, "CHG-3");
    expect(evidence).toMatchObject({ verdict: "done", writeGapSeconds: null, lostWrites: 0 });
    expect(evidence.steps[0]?.details.bytes).toBeGreaterThan(1_000_000);
    await healthy(deployment);
  });

  it("from the shell the same engine gives the evidence as JSON, and waits for a checkpoint while writes go on", async () => {
    const checkpointer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
    const pid = await nodes.sql("shared-database", checkpointer);
    const halted = await nodes.exec("shared-database", "sh", "-c", `kill -STOP ${pid}`);
    expect([halted.exitCode, halted.stderr]).toEqual([0, ""]);
    const { result: promoted, report } = await underLoad(deployment, async () => {
      const promoting = transition(deployment, "promote", "SH-1", "--json");
      // Longer than any other question to a database may take.
      await sleep(9000);
      await nodes.exec("shared-database", "sh", "-c", `kill -CONT ${pid}`);
      return promoting;
    });
    expect([promoted.exitCode, promoted.all]).toEqual([
      0,
      expect.stringMatching(/shared: writes a checkpoint/),
    ]);
    expect(JSON.parse(promoted.stdout)).toMatchObject({
      transition: "promote",
      transitionId: "SH-1",
      verdict: "done",
      lostWrites: 0,
    });
    expect(report.failed).toEqual([]);
    expect(report.writeGapSeconds).toBeLessThan(5);
    const restored = await transition(deployment, "restore", "SH-1", "--json");
    expect([restored.exitCode, JSON.parse(restored.stdout)]).toMatchObject([
      0,
      { transition: "restore", transitionId: "SH-1", verdict: "done", lostWrites: 0 },
    ]);
  });
});
