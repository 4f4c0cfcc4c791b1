import { describe, expect, test } from "vitest";
import { emptyLedger } from "../../../core/alerts/ledger.ts";
import { defaultAlerts } from "../../../core/alerts/settings.ts";
import { known, unknown } from "../../../core/observation.ts";
import { type DatabaseName, type ServerName, serverNames } from "../../../core/vocabulary.ts";
import { choose } from "../../../server/databases/choose.ts";
import type { DatabaseDetail } from "../../../server/databases/detail.ts";
import { type DatabaseView, unreachable } from "../../../server/databases/view.ts";
import { LagHistory } from "../../../server/overview/history.ts";
import type { OverviewInput } from "../../../server/overview/input.ts";
import { Positions } from "../../../server/overview/lag.ts";
import { overviewOf } from "../../../server/overview/overview.ts";
import type { PeerAnswer, PeerView } from "../../../server/overview/peers.ts";
import { overviewSchema } from "../../../server/overview/schema.ts";

const now = Date.parse("2026-11-21T10:00:00.000Z");
const time = new Date(now).toISOString();
const pack = { version: "1.0.0", keyFingerprint: "0123", schema: "0008-server-names" };

const view = (name: DatabaseName, inRecovery: boolean, timeline: number, closed = false): DatabaseView => ({
  ...{ name, inRecovery, timeline, closed, reachable: true, systemId: "111", problem: null },
  ...{ loss: "none", observedAt: now },
});

const detail = (
  name: DatabaseName,
  inRecovery: boolean,
  more: Partial<DatabaseDetail> = {},
): DatabaseDetail => ({
  ...{ name, inRecovery, lsn: "0/3000000", replayPaused: false, streaming: inRecovery, synchronous: false },
  receivedLsn: inRecovery ? "0/3000000" : null,
  logicalSlots: [],
  intent: unknown("not asked"),
  ...{
    waitingCommits: 0,
    startedAt: time,
    version: "17.6",
    senders: null,
    sessions: [],
    transition: null,
    observedAt: now,
  },
  slots: inRecovery
    ? []
    : [
        {
          name: name === "shared" ? "read_only" : "shared",
          active: true,
          walStatus: "reserved",
          retainedBytes: 0,
        },
      ],
  ...more,
});

const answer = (server: ServerName, views: readonly DatabaseView[]): PeerAnswer => ({
  server,
  self: {
    state: server === "read-only" ? "read-only" : "read-write",
    database: server === "read-only" ? "read-only" : "shared",
    since: time,
    startedAt: time,
    problem: null,
    pack,
  },
  databases: views.map(({ name, reachable }) => ({ database: name, reachable, observedAt: time })),
  servers: serverNames
    .filter((name) => name !== server)
    .map((name) => ({ server: name, reachable: true, observedAt: time })),
});

const normal = [view("shared", false, 1), view("read-only", true, 1)];

function seen(changes: Partial<OverviewInput> & { views?: readonly DatabaseView[] } = {}): OverviewInput {
  const { views = normal, ...rest } = changes;
  const choice = choose("primary", views, new Map());
  return {
    server: "primary",
    stack: "dev",
    deployment: {
      model: "full",
      synchronous: false,
      databases: [
        { name: "shared", slot: "shared", containerName: "dev-shared-database" },
        { name: "read-only", slot: "read_only", containerName: "dev-read-only-database" },
      ],
      servers: serverNames.map((name) => ({
        ...{ name, displayName: `${name} of dev`, containerName: `dev-${name}-server` },
        ...{ address: `${name}-server`, port: 8443, certificateName: `${name}-server` },
      })),
      gateway: { containerName: "dev-gateway", address: "gateway", port: 8443, ownCertificateEndsAt: null },
      applications: [],
    },
    names: new Map(),
    addresses: new Map([
      ["shared", "shared-database:5432"],
      ["read-only", "read-only-database:5432"],
    ]),
    cluster: { views, choice, writableSeenAt: new Map() },
    details: new Map(
      views.flatMap(({ name, reachable, inRecovery }) =>
        reachable ? [[name, detail(name, inRecovery === true)] as const] : [],
      ),
    ),
    since: new Map(),
    lag: { bytes: 0, seconds: 0 },
    self: answer("primary", views),
    peers: (["secondary", "read-only"] as const).map((name) => peer(name, answer(name, views))),
    applications: [],
    gateway: { reachable: true, problem: null },
    alerting: {
      ...{ settings: defaultAlerts, channels: [], ledger: emptyLedger, sender: null, lastTransition: null },
    },
    backups: null,
    now,
    ...rest,
  };
}

function peer(name: ServerName, said: PeerAnswer | null): PeerView {
  return {
    name,
    answer: said,
    problem: said === null ? "connect ECONNREFUSED" : null,
    loss: said === null ? "other" : "none",
    since: now,
    observedAt: now,
  };
}

describe("the overview", () => {
  test("of a healthy deployment is what its schema says, with no finding", () => {
    const overview = overviewOf(seen());
    expect(overviewSchema.parse(overview)).toEqual(overview);
    expect(overview).toMatchObject({ phase: "normal", verdict: "ok", findings: [], writable: "shared" });
    expect([...overview.servers, ...overview.databases].every(({ active }) => active)).toBe(true);
    expect(overview.databases[1]).toMatchObject({
      role: "standby",
      lagBytes: 0,
      slot: { name: "read_only", active: true },
    });
  });

  test("should show the name that people gave, and the declared one else", () => {
    const { servers } = overviewOf(seen({ names: new Map([["primary", "Bridge"]]) }));
    expect(servers.map(({ displayName }) => displayName)).toEqual([
      ...["Bridge", "secondary of dev", "read-only of dev"],
    ]);
  });

  test("should never show two writable databases, whatever the single looks were", () => {
    const late = [view("shared", false, 1), view("read-only", false, 2)];
    const overview = overviewOf(seen({ views: late }));
    expect(overview.databases.map(({ role }) => role)).toEqual(["refused", "primary"]);
    expect(overview).toMatchObject({ writable: "read-only", phase: "promoted" });
    expect(overview.databases[0]?.detail).toMatch(/timeline 1 is lower than 2/);

    const both = overviewOf(seen({ views: [view("shared", false, 2), view("read-only", false, 2)] }));
    expect(both.databases.map(({ role }) => role)).toEqual(["refused", "refused"]);
    expect(both.findings[0]?.problem).toMatch(/both accept writes/);
  });

  test("should name what is gone, with the reason and the command that helps", () => {
    const views = [view("shared", false, 1), unreachable("read-only", "connect ECONNREFUSED", now)];
    const overview = overviewOf(
      seen({ views, peers: [peer("secondary", null), peer("read-only", answer("read-only", views))] }),
    );
    expect(overview.databases[1]).toMatchObject({ role: "down", active: false, lagBytes: null, lsn: null });
    expect(overview.servers[1]).toMatchObject({
      role: "down",
      active: false,
      detail: "connect ECONNREFUSED",
    });
    expect(overview.findings.map(({ subject }) => subject)).toEqual([
      ...["read-only database", "secondary server", "deployment"],
    ]);
    expect(overview.findings[0]?.remedy).toContain("docker start dev-read-only-database");
    // Nobody knows what a server reaches that does not answer.
    expect(overview.servers[0]?.reachedBy).toContainEqual({
      server: "secondary",
      reachable: null,
      observedAt: null,
    });
  });

  test("should say why a node is inactive, from what it has seen itself", () => {
    const views = [view("shared", false, 1), unreachable("read-only", "connect ECONNREFUSED", now)];
    const gone = {
      ...peer("secondary", null),
      problem: "no answer within 1 s",
      since: now - 10_000,
    };
    const blind = answer("read-only", views);
    const peers = [
      gone,
      peer("read-only", {
        ...blind,
        servers: blind.servers.map((seen) =>
          seen.server === "secondary" ? { ...seen, reachable: false } : seen,
        ),
      }),
    ];
    const overview = overviewOf(seen({ views, peers }));
    expect(overviewSchema.parse(overview)).toEqual(overview);
    expect(overview.servers.map(({ causes }) => causes?.likely)).toEqual([undefined, "service", undefined]);
    expect(overview.databases.map(({ causes }) => causes?.likely)).toEqual([undefined, "service"]);
    expect(overview.databases[1]?.causes?.causes[0]?.commands).toContain(
      "docker start dev-read-only-database",
    );

    // A database hears of it: it runs, and what is broken lies between.
    const heard = new Map([["shared", detail("shared", false, { sessions: ["dev/secondary"] })] as const]);
    const cut = overviewOf(seen({ views, peers, details: heard })).servers[1]?.causes;
    expect(cut?.causes.map(({ name, verdict }) => [name, verdict])).toEqual([
      ["service", "ruled out"],
      ["replication", "ruled out"],
      ["network", "likely"],
    ]);
    // What was heard before it went silent tells nothing.
    const late = [{ ...gone, since: now - 1000 }, ...peers.slice(1)];
    expect(overviewOf(seen({ views, peers: late, details: heard })).servers[1]?.causes?.likely).toBe(
      "service",
    );
  });

  test.each([
    ["just now", 100, null],
    ["so long ago that the other server would have missed it, too", 3000, "network"],
  ])("should take another server's word for what was lost %s as that allows", (_, agoMs, likely) => {
    const gone = { ...peer("secondary", null), problem: "no answer within 1 s", since: now - agoMs };
    const peers = [gone, peer("read-only", answer("read-only", normal))];
    expect(overviewOf(seen({ peers })).servers[1]?.causes?.likely).toBe(likely);
    const views = [unreachable("shared", "timeout expired", now), view("read-only", true, 1)];
    const since = new Map([["shared", now - agoMs] as const]);
    const witnessed = [peer("secondary", answer("secondary", normal)), peers[1] ?? gone];
    const details = new Map([["read-only", detail("read-only", true, { streaming: false })] as const]);
    expect(overviewOf(seen({ views, since, peers: witnessed, details })).databases[0]?.causes?.likely).toBe(
      likely,
    );
  });

  test("should call replication the cause of a standby that answers and does not stream", () => {
    const details = new Map([
      [
        "shared",
        detail("shared", false, {
          senders: [],
          slots: [{ name: "read_only", active: false, walStatus: "lost", retainedBytes: null }],
        }),
      ] as const,
      ["read-only", detail("read-only", true, { streaming: false })] as const,
    ]);
    const tile = overviewOf(seen({ details })).databases[1];
    expect(tile).toMatchObject({ active: false, causes: { likely: "replication" } });
    expect(tile?.causes?.causes[1]?.commands).toEqual(["npm run transition -- rebuild"]);
  });

  test("should not tell of a slot by a look from before the promotion", () => {
    const views = [unreachable("shared", "connect ECONNREFUSED", now), view("read-only", false, 2)];
    // A moment ago it was a standby, and had no slot for anybody.
    const details = new Map([["read-only", detail("read-only", true, { observedAt: now - 500 })] as const]);
    const [, replication] = overviewOf(seen({ views, details })).databases[0]?.causes?.causes ?? [];
    expect(replication?.evidence).toEqual(["The slot that feeds it cannot be asked for."]);
  });

  test("should tell hosts apart by their whole address, also of IPv6", () => {
    const details = new Map([
      ["shared", detail("shared", false, { senders: [] })] as const,
      ["read-only", detail("read-only", true, { streaming: false })] as const,
    ]);
    const causesAt = (one: string, another: string) => {
      const addresses = new Map([
        ["shared", `${one}:5432`],
        ["read-only", `${another}:5432`],
      ] as const);
      return overviewOf(seen({ details, addresses })).databases[1]?.causes?.causes[2];
    };
    expect(causesAt("fd00::1", "fd00::1")?.evidence).toEqual([
      "Both databases are on one host, and this server reaches both.",
    ]);
    expect(causesAt("fd00::1", "fd00::2")?.evidence).toEqual([
      "This server reaches both databases; whether they reach each other nobody has tried for it.",
    ]);
  });

  test("should not count a detail from before a change of role", () => {
    const details = new Map([["read-only", detail("read-only", true)] as const]);
    const overview = overviewOf(
      seen({ views: [unreachable("shared", "gone", now), view("read-only", false, 2)], details }),
    );
    expect(overview.databases[1]).toMatchObject({ role: "primary", lsn: null });
  });

  test("should call a promoted deployment by its phase, the read-only server acting", () => {
    const views = [view("shared", true, 2), view("read-only", false, 2)];
    const acting = answer("read-only", views);
    const overview = overviewOf(
      seen({
        views,
        peers: [
          peer("secondary", answer("secondary", views)),
          peer("read-only", { ...acting, self: { ...acting.self, state: "read-write" } }),
        ],
      }),
    );
    expect(overview).toMatchObject({ phase: "promoted", verdict: "ok", findings: [] });
    expect(overview.servers[2]).toMatchObject({ isActingPrimary: true, role: "read-write" });
    expect(overview.databases[0]).toMatchObject({ role: "standby", slot: { name: "shared" } });
  });

  test("should show one's own application beside each server, and judge with it", () => {
    const base = seen();
    const place = { protocol: "http", healthPath: "", certificateName: "", port: 8080 } as const;
    const applications = (["primary", "read-only"] as const).map((name) => {
      return { ...place, name, containerName: `dev-${name}-application`, address: `${name}-application` };
    });
    const views = applications.map(({ name }) => ({ name, problem: null, since: now, observedAt: now }));
    const overviewWith = (problem: string | null, observedAt: number | null = now) =>
      overviewOf({
        ...base,
        deployment: { ...base.deployment, applications },
        applications: views.map((view) =>
          view.name === "primary" ? { ...view, problem, observedAt } : view,
        ),
      });
    expect(overviewWith(null)).toMatchObject({
      verdict: "ok",
      applications: [
        { name: "primary", isWell: true, address: "primary-application:8080" },
        { name: "read-only", isWell: true },
      ],
    });
    expect(overviewWith("connect ECONNREFUSED")).toMatchObject({
      verdict: "degraded",
      applications: [{ isWell: false, detail: "connect ECONNREFUSED" }, { isWell: true }],
      findings: [
        {
          subject: "primary application",
          problem: "is unwell (connect ECONNREFUSED)",
          remedy: expect.stringContaining("dev-primary-application"),
        },
      ],
    });
    expect(overviewWith("not asked yet", null)).toMatchObject({ applications: [{ isWell: null }, {}] });
  });

  test("should tell a transition that runs", () => {
    const transition = { holder: "pg-continuity promote CHG-1 ada@bridge", since: time };
    const details = new Map([["shared", detail("shared", false, { transition })] as const]);
    expect(overviewOf(seen({ details }))).toMatchObject({ phase: "promoting", transition });
  });
});

describe("the preflight of what to do next", () => {
  const told = (role: "primary" | "standby", upstream?: DatabaseName) =>
    known({ version: 1 as const, role, upstream, transitionId: "CHG-1", writtenAt: time });
  const follower = [{ name: "shared-database", state: "streaming", syncState: "async" }];
  const promotedViews = [view("shared", true, 2), view("read-only", false, 2)];
  const detailsWith = (shared: Partial<DatabaseDetail>, readOnly: Partial<DatabaseDetail> = {}) =>
    new Map([
      [
        "shared",
        detail("shared", true, {
          ...{ intent: told("standby", "read-only"), senders: [], observedAt: now - 700 },
          ...shared,
        }),
      ],
      ["read-only", detail("read-only", false, { intent: told("primary"), senders: follower, ...readOnly })],
    ] as const);
  const preflightsOf = (input: Partial<OverviewInput> & { views: readonly DatabaseView[] }) =>
    overviewOf(seen(input)).next?.steps.map(({ preflight }) => preflight) ?? [];

  test("is that of a restore after a promote: what would be done, and how old the looks are", () => {
    const [restore] = preflightsOf({ views: promotedViews, details: detailsWith({}) });
    expect(restore).toMatchObject({
      transition: "restore",
      verdict: "can run",
      observedAt: new Date(now - 700).toISOString(),
      refused: [],
      unseen: [],
      steps: [{ cost: "writes wait", about: "0.3 s" }, { cost: "no downtime" }],
    });
  });

  test.each<[what: string, Partial<DatabaseDetail>, RegExp]>([
    ["replay is paused", { replayPaused: true }, /replay is paused.*pg_wal_replay_resume/],
    ["it does not stream", { streaming: false }, /does not stream/],
    ["a logical slot is not ready", {}, /slot orders is marked failover/],
  ])("refuses with reason and way out: %s", (what, shared, words) => {
    const orders = { name: "orders", failover: true, ready: false };
    const readOnly = what.includes("slot") ? { logicalSlots: [orders] } : {};
    const [restore] = preflightsOf({ views: promotedViews, details: detailsWith(shared, readOnly) });
    expect(restore).toMatchObject({ verdict: "refused", steps: [] });
    expect(restore?.refused.map(({ reason, remedy }) => `${reason}. ${remedy}`).join()).toMatch(words);
  });

  test("says nothing where a container decides, and what may stand against it", () => {
    const views = [unreachable("shared", "connect ECONNREFUSED", now), view("read-only", true, 1)];
    const replica = { intent: told("standby", "shared"), senders: [], streaming: false };
    const details = new Map([["read-only", detail("read-only", true, replica)] as const]);
    const [start, promote, accept] = preflightsOf({ views, details });
    expect([start, accept]).toEqual([null, null]);
    expect(promote).toMatchObject({
      verdict: "unknown",
      steps: [],
      unseen: [expect.stringMatching(/^whether shared runs.*connect ECONNREFUSED/)],
    });
    expect(promote?.refused.map(({ remedy }) => remedy).join()).toContain("allowDataLoss CHG-NUMBER");
  });

  test("says nothing where this server may not ask what the planner needs", () => {
    const unasked = { intent: unknown<never>("this server may not ask") };
    const [restore] = preflightsOf({ views: promotedViews, details: detailsWith(unasked, unasked) });
    expect(restore).toMatchObject({
      verdict: "unknown",
      unseen: [
        "what shared was told to be (this server may not ask)",
        "what read-only was told to be (this server may not ask)",
      ],
    });
    const [blind] = preflightsOf({ views: promotedViews, details: detailsWith({}, { senders: null }) });
    expect(blind?.verdict).toBe("unknown");
  });

  test("does not count a look from before the promotion", () => {
    const [restore] = preflightsOf({
      views: promotedViews,
      details: detailsWith({ inRecovery: false }),
    });
    expect(restore).toMatchObject({ verdict: "unknown" });
  });
});

describe("the lag", () => {
  const positions = new Positions();
  positions.add(1000, "0/1000");
  positions.add(2000, "0/2000");
  positions.add(3000, "0/3000");

  test.each([
    ["has everything", 3000, "0/3000", { bytes: 0, seconds: 0 }],
    ["is ahead of the last look", 3000, "0/3500", { bytes: 0, seconds: 0 }],
    ["misses the last second", 3500, "0/2000", { bytes: 0x1000, seconds: 0.5 }],
    ["has been still for long", 9000, "0/1000", { bytes: 0x2000, seconds: 7 }],
    ["was looked at before the writable one wrote more", 2500, "0/2000", { bytes: 0, seconds: 0 }],
    ["was looked at before anything was known", 500, "0/1000", null],
  ])("of a standby that %s", (_, at, lsn, expected) => {
    expect(positions.lagOf(at, lsn)).toEqual(expected);
  });

  test("begins anew with another history", () => {
    const other = new Positions();
    other.add(1000, "0/9000");
    other.add(2000, "0/1000");
    expect(other.lagOf(2000, "0/1000")).toEqual({ bytes: 0, seconds: 0 });
  });

  test("is remembered as the worst of each quarter of a minute, and not where it was not known", () => {
    const history = new LagHistory();
    history.add(0, { bytes: 5, seconds: 1 });
    history.add(5000, { bytes: 9, seconds: 0 });
    history.add(15_000, null);
    history.add(31_000, { bytes: 1, seconds: 1 });
    expect(history.samples).toEqual([
      { at: "1970-01-01T00:00:00.000Z", bytes: 9, seconds: 1 },
      { at: "1970-01-01T00:00:15.000Z", bytes: null, seconds: null },
    ]);
  });
});
