import { describe, expect, it } from "vitest";
import type { BackupRecord } from "../../core/backups/record.ts";
import { known, type Observation, unknown as unknownBecause } from "../../core/observation.ts";
import { judge, type Status } from "../../core/status.ts";
import { renderStatus } from "../../scripts/cli/statusTable.ts";
import {
  goodBackup,
  healthyObservation,
  observedDatabase,
  observedServer,
  topologyOf,
  withDatabase,
} from "../support/fixtures.ts";

const backedUp = topologyOf({ backups: { schedule: "0 2 * * *" } });
const withBackups = healthyObservation(backedUp);
const topology = topologyOf();
const healthy = healthyObservation(topology);
const silent = unknownBecause<never>("PostgreSQL does not answer (connection refused)");

const stopped = (name: "shared" | "read-only") =>
  withDatabase(healthy, name, (database) => ({
    ...database,
    container: known({ state: "stopped" as const, since: "2026-01-02T00:00:00.000Z" }),
    postgres: silent,
  }));
const withState = (name: "shared" | "read-only", state: string, detail: string) =>
  withDatabase(healthy, name, (database) => ({
    ...database,
    postgres: silent,
    nodeState: known({ state, detail, since: "2026-01-02T01:00:00.000Z" }),
  }));

const degenerate = /^deployment: runs on one database \(shared\).*rebuild/;

interface Expected {
  readonly phase: Status["phase"];
  readonly verdict: Status["verdict"];
  /** One pattern a finding, in order: "subject: problem. remedy". */
  readonly findings: readonly RegExp[];
}

const cases: readonly [name: string, observation: Observation, expected: Expected][] = [
  ["everything as declared", healthy, { phase: "normal", verdict: "ok", findings: [] }],
  [
    "the replica is cut off",
    withDatabase(healthy, "read-only", () => observedDatabase("read-only", { streaming: false })),
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [/^read-only database: does not stream\. .*docker logs/, degenerate],
    },
  ],
  [
    "the replica's slot was lost",
    withDatabase(
      withDatabase(healthy, "read-only", () => observedDatabase("read-only", { streaming: false })),
      "shared",
      () =>
        observedDatabase("shared", {
          slots: [{ name: "read_only", active: false, walStatus: "lost", retainedBytes: null }],
        }),
    ),
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [/^read-only database: its slot read_only was lost.*rebuild/, degenerate],
    },
  ],
  [
    "the replica has no slot",
    withDatabase(healthy, "shared", () => observedDatabase("shared", { slots: [] })),
    { phase: "degraded", verdict: "degraded", findings: [/^read-only database: has no slot.*npm run up/] },
  ],
  [
    "the replica is far behind",
    withDatabase(healthy, "shared", () => observedDatabase("shared", { lsn: "1/3000060" })),
    { phase: "degraded", verdict: "degraded", findings: [/^read-only database: is 4294967296 bytes behind/] },
  ],
  [
    "writes wait for a replica that is gone",
    withDatabase(stopped("read-only"), "shared", () =>
      observedDatabase("shared", { synchronous: true, waitingCommits: 3, senders: [] }),
    ),
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [
        /^read-only database: down/,
        /^writes: wait: replication is synchronous, and no replica confirms them \(3 wait now\)\..*synchronous false/,
        /^shared database: replicates synchronously, declared is asynchronous\. .*ALTER SYSTEM RESET/,
        degenerate,
      ],
    },
  ],
  [
    "replay is paused",
    withDatabase(healthy, "read-only", () => observedDatabase("read-only", { replayPaused: true })),
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [/^read-only database: replay is paused\. .*wal_replay_resume/],
    },
  ],
  [
    "somebody has used ALTER SYSTEM",
    withDatabase(healthy, "shared", (database) => ({
      ...database,
      overrides: known([
        { name: "work_mem", value: "1GB" },
        { name: "fsync", value: "off" },
      ]),
    })),
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [
        /^shared database: ALTER SYSTEM has set work_mem to '1GB'.*npm run up.*postgresParameters\.work_mem/,
        /^shared database: ALTER SYSTEM has set fsync to 'off'.*This project sets fsync itself/,
      ],
    },
  ],
  [
    "the network was deleted",
    {
      ...healthy,
      networks: [{ host: "local", network: "pg-continuity-unit", state: known("missing") }],
      gateway: known({ state: "running", since: "2026-01-02T00:00:00.000Z", isAttached: false }),
    },
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [/^network pg-continuity-unit on host local: does not exist.*npm run up/],
    },
  ],
  [
    "a node was disconnected from the network",
    {
      ...healthy,
      gateway: known({ state: "running", since: "2026-01-02T00:00:00.000Z", isAttached: false }),
    },
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [/^gateway: its container is not connected to the network pg-continuity-unit/],
    },
  ],
  [
    "the shared database is stopped",
    stopped("shared"),
    {
      phase: "degraded",
      verdict: "down",
      findings: [/^shared database: down: its container is stopped\. Start it/],
    },
  ],
  [
    "the replica is stopped",
    stopped("read-only"),
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [/^read-only database: down: its container is stopped/, degenerate],
    },
  ],
  [
    "the shared database waits closed",
    withState("shared", "closed", "nobody can say"),
    {
      phase: "degraded",
      verdict: "down",
      findings: [/^shared database: closed: nobody can say\. It opens by itself/],
    },
  ],
  [
    "the replica is being copied",
    withState("read-only", "copying", "base backup from shared"),
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [/^read-only database: down: copying: base backup from shared/, degenerate],
    },
  ],
  [
    "two databases accept writes",
    withDatabase(healthy, "read-only", () =>
      observedDatabase("read-only", { inRecovery: false, timeline: 2 }),
    ),
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [
        /^databases: shared and read-only both accept writes\. Stop/,
        /^read-only database: is primary, was told to be standby/,
      ],
    },
  ],
  [
    "the host of the shared database is unknown",
    withDatabase(healthy, "shared", (database) => ({
      ...database,
      container: unknownBecause("the Docker engine cannot be asked (ECONNREFUSED)"),
      intent: unknownBecause("intent.json cannot be read"),
      nodeState: unknownBecause("node-state.json cannot be read"),
      postgres: silent,
    })),
    {
      phase: "degraded",
      verdict: "unknown",
      findings: [
        /^shared database: unknown: the Docker engine cannot be asked.*Make its Docker host reachable/,
      ],
    },
  ],
  [
    "a server is stopped",
    {
      ...healthy,
      servers: [
        {
          ...observedServer("primary"),
          container: known({ state: "stopped" }),
          health: unknownBecause("the server does not answer"),
        },
        ...healthy.servers.slice(1),
      ],
    },
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [
        /^primary server: is down, expected read-write \(its container is stopped\)\. Start it: docker start/,
      ],
    },
  ],
  [
    "a server has another version and another key than the others",
    {
      ...healthy,
      servers: healthy.servers.map((server) =>
        server.name === "secondary" && server.health.known
          ? {
              ...server,
              health: known({
                ...server.health.value,
                pack: { version: "2.0.0", keyFingerprint: "fedcba9876543210", schema: null },
              }),
            }
          : server,
      ),
    },
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [
        /^servers: differ in version: primary 1\.0\.0, secondary 2\.0\.0, read-only 1\.0\.0\. Apply it again/,
        /^servers: differ in keyFingerprint: primary 0123456789abcdef, secondary fedcba.*Give every server the same key/,
      ],
    },
  ],
  [
    "a server's password is refused for long, whatever it can still do",
    {
      ...healthy,
      servers: healthy.servers.map((server) =>
        server.name === "secondary" && server.health.known
          ? {
              ...server,
              health: known({ ...server.health.value, problem: "the shared database has refused" }),
            }
          : server,
      ),
    },
    {
      phase: "degraded",
      verdict: "degraded",
      findings: [/^secondary server: the shared database has refused\. Run "npm run up": it gives the role/],
    },
  ],
  [
    "the gateway's container is missing",
    { ...healthy, gateway: known({ state: "missing" }) },
    { phase: "degraded", verdict: "degraded", findings: [/^gateway: its container is missing\. Start it/] },
  ],
];

describe("certificates", () => {
  const expiring = (of: string, expiresAt: string, problem: string | null = null): Observation => ({
    ...healthy,
    certificates: healthy.certificates.map((one) =>
      one.of === of ? { of, seen: known({ expiresAt, problem }) } : one,
    ),
  });
  // Observed on 2 January 2026.
  it.each<[of: string, expiresAt: string, problem: string | null, finding: string | undefined]>([
    ["gateway", "2026-02-01T03:04:05.000Z", null, undefined],
    [
      "gateway",
      "2026-02-01T03:04:04.000Z",
      null,
      "certificate of gateway: expires on 2026-02-01, in 29 days. Renew all certificates: npm run rotate -- certificates.",
    ],
    [
      "authority",
      "2026-01-03T00:00:00.000Z",
      null,
      "certificate of the authority: expires on 2026-01-03, in 0 days. Renew all certificates: npm run rotate -- certificates.",
    ],
    [
      "shared-database",
      "2026-01-02T03:04:04.000Z",
      "CERT_HAS_EXPIRED",
      "certificate of shared-database: has expired on 2026-01-02. Renew all certificates: npm run rotate -- certificates --force.",
    ],
    [
      "gateway",
      "2028-01-01T00:00:00.000Z",
      "SELF_SIGNED_CERT_IN_CHAIN",
      "certificate of gateway: is not accepted (SELF_SIGNED_CERT_IN_CHAIN). Deliver it again: npm run up.",
    ],
  ])("of %s that ends on %s (%s)", (of, expiresAt, problem, finding) => {
    const status = judge(topology, expiring(of, expiresAt, problem));
    const texts = status.findings.map((one) => `${one.subject}: ${one.problem}. ${one.remedy}`);
    expect(texts).toEqual(finding === undefined ? [] : [finding]);
    expect(status.certificates).toContainEqual({ of, expiresAt, detail: problem });
  });

  it("that cannot be seen are unknown, and no finding of their own", () => {
    const seen = unknownBecause<never>("no TLS connection (connect ECONNREFUSED)");
    const status = judge(topology, { ...healthy, certificates: [{ of: "gateway", seen }] });
    expect(status.certificates).toEqual([
      { of: "gateway", expiresAt: null, detail: "no TLS connection (connect ECONNREFUSED)" },
    ]);
    expect(status.findings).toEqual([]);
  });
});

describe("judge", () => {
  it.each(cases)("%s", (_name, observation, expected) => {
    const status = judge(topology, observation);
    expect(status.phase).toBe(expected.phase);
    expect(status.verdict).toBe(expected.verdict);
    const said = status.findings.map(({ subject, problem, remedy }) => `${subject}: ${problem}. ${remedy}`);
    expect(said).toEqual(expected.findings.map((pattern) => expect.stringMatching(pattern)));
  });

  it("says the first finding and how many more in one sentence", () => {
    const both = { ...stopped("shared"), gateway: known({ state: "missing" as const }) };
    expect(judge(topology, both).summary).toBe(
      "No database accepts writes: shared database down: its container is stopped and 1 more.",
    );
    expect(judge(topology, healthy).summary).toBe("Everything is as declared.");
  });

  it("measures lag in bytes and takes the seconds from the sender", () => {
    const behind = withDatabase(healthy, "shared", (database) => {
      if (!database.postgres.known) throw new Error("fixture");
      const senders = database.postgres.value.senders.map((sender) => ({ ...sender, lagSeconds: 1.5 }));
      return observedDatabase("shared", { lsn: "0/3000160", senders });
    });
    const replica = judge(topology, behind).databases.find(({ name }) => name === "read-only");
    expect(replica).toMatchObject({
      lagBytes: 256,
      lagSeconds: 1.5,
      slot: { name: "read_only", active: true },
    });
  });

  it("shows what it cannot know as null, never as a value", () => {
    const status = judge(topology, stopped("shared"));
    const [shared, readOnly] = status.databases;
    expect(shared).toMatchObject({
      reachable: false,
      timeline: null,
      lsn: null,
      streaming: null,
      slot: null,
    });
    expect(readOnly).toMatchObject({ reachable: true, lagBytes: null, lagSeconds: null, slot: null });
  });

  it("expects of a database what its intent says, not what it was at first", () => {
    const fenced = withDatabase(withState("shared", "closed", "fenced"), "shared", (database) => ({
      ...database,
      intent: known({ version: 1, role: "fenced", transitionId: "t1", writtenAt: healthy.observedAt }),
    }));
    expect(judge(topology, fenced).databases[0]).toMatchObject({ role: "fenced", expectedRole: "fenced" });
  });

  it("with the read-only database writable the phase is promoted and its server writes", () => {
    const promoted = withDatabase(stopped("shared"), "read-only", (database) => ({
      ...observedDatabase("read-only", { inRecovery: false, timeline: 2, streaming: false }),
      intent: known({ version: 1, role: "primary", transitionId: "t1", writtenAt: database.observedAt }),
    }));
    const status = judge(topology, promoted);
    expect(status.phase).toBe("promoted");
    expect(status.servers.find(({ name }) => name === "read-only")?.expectedRole).toBe("read-write");
  });

  it.each(["secondary", "read-only"])("model %s is normal too", (model) => {
    const other = topologyOf({ model });
    expect(judge(other, healthyObservation(other))).toMatchObject({ model, phase: "normal", verdict: "ok" });
  });
});

describe("data that is kept aside", () => {
  const folder = "/var/lib/postgresql/data.diverged-20260102T000000Z";

  it("is named, and nothing is wrong with it", () => {
    const status = judge(
      topology,
      withDatabase(healthy, "shared", (database) => ({
        ...database,
        keptData: known([{ folder, bytes: 40 * 1024 ** 2 }]),
      })),
    );
    expect(status).toMatchObject({ verdict: "ok", findings: [] });
    expect(status.databases[0]?.keptData).toEqual([{ folder, bytes: 40 * 1024 ** 2 }]);
    expect(renderStatus(status)).toContain(
      `kept aside: ${folder} of the shared database, 40.0 MB of data that went its own way`,
    );
  });

  it("is not known where the node's files cannot be read, or say nothing of it", () => {
    for (const keptData of [silent, known(undefined)]) {
      const status = judge(
        topology,
        withDatabase(healthy, "shared", (database) => ({ ...database, keptData })),
      );
      expect(status.databases[0]?.keptData).toBeNull();
      expect(renderStatus(status)).not.toContain("kept aside");
    }
  });
});

describe("backups in the status", () => {
  const seen = (backup: Partial<NonNullable<Observation["backup"]>>): Status =>
    judge(backedUp, {
      ...withBackups,
      backup: { container: known({ state: "running" }), record: known(goodBackup), ...backup },
    });

  it("are not there where none are made", () => {
    expect(judge(topology, healthy).backups).toBeNull();
  });

  it("are said to be well while the newest good one is young", () => {
    const status = seen({});
    expect(status).toMatchObject({ verdict: "ok", phase: "normal", findings: [] });
    expect(status.backups).toMatchObject({
      container: "running",
      lastGood: goodBackup.lastGood,
      detail: null,
    });
    expect(renderStatus(status)).toContain("backups: the newest good one is 20260102T020000Z-1, 40.0 MB\n");
  });

  it.each<[string, Partial<BackupRecord>, string]>([
    [
      "the newest is too old, and why",
      {
        lastGood: { name: "20260101T000000Z-1", endedAt: "2026-01-01T00:00:00.000Z", bytes: 1 },
        lastFailure: { at: "2026-01-02T02:00:00.000Z", error: "no room" },
      },
      "the newest good one (20260101T000000Z-1) is 27 h old (limit 26 h); the last attempt failed at 2026-01-02T02:00:00.000Z: no room",
    ],
    ["there is none", { lastGood: null }, "there is none, 27 h after they were turned on (limit 26 h)"],
  ])("are a finding where %s", (_name, changes, problem) => {
    const status = seen({ record: known({ ...goodBackup, ...changes }) });
    expect(status.verdict).toBe("degraded");
    expect(status.findings).toEqual([
      { subject: "backups", problem, remedy: expect.stringContaining("npm run backup -- now") },
    ]);
  });

  it("are a finding where the container does not run, and none where it cannot be asked", () => {
    expect(seen({ container: known({ state: "stopped" }) }).findings).toMatchObject([
      { subject: "backups", problem: "are not made: their container is stopped" },
    ]);
    const unasked = seen({ record: unknownBecause("no database will do") });
    expect(unasked.findings).toEqual([]);
    expect(unasked.backups).toMatchObject({ lastGood: null, detail: "no database will do" });
    expect(renderStatus(unasked)).toContain("backups: not known (no database will do)");
  });
});
