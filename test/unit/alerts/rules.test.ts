import { describe, expect, test } from "vitest";
import {
  judgeAlerts,
  type Watched,
  type WatchedDatabase,
  type WatchedServer,
} from "../../../core/alerts/rules.ts";
import { alertSettingsSchema, ruleNames } from "../../../core/alerts/settings.ts";
import type { BackupRecord } from "../../../core/backups/record.ts";
import { serverNames } from "../../../core/vocabulary.ts";

const time = "2026-11-21T10:00:00.000Z";
const inDays = (days: number) => new Date(Date.parse(time) + days * 24 * 3600 * 1000).toISOString();
const mebibyte = 1024 * 1024;

const server = (name: WatchedServer["name"]): WatchedServer => ({
  ...{ name, displayName: name, role: name === "read-only" ? "read-only" : "read-write", active: true },
  ...{ detail: null, reachedBy: [], certificateExpiresAt: inDays(400), diskUsedPercent: 40 },
});

const shared: WatchedDatabase = {
  ...{ name: "shared", role: "primary", streaming: null, lagBytes: null, lagSeconds: null },
  ...{ slot: null, detail: null, observedAt: time },
};
const readOnly: WatchedDatabase = {
  ...{ name: "read-only", role: "standby", streaming: true, lagBytes: 0, lagSeconds: 0 },
  ...{ slot: { name: "read_only", walStatus: "reserved", retainedBytes: 0 }, detail: null, observedAt: time },
};

const normal: Watched = {
  ...{ observedAt: time, phase: "normal", summary: "Everything is as declared.", writable: "shared" },
  ...{ servers: serverNames.map(server), databases: [shared, readOnly], lastTransition: null },
  gateway: { ownCertificateEndsAt: null },
};

const withServer = (changes: Partial<WatchedServer>): Watched => ({
  ...normal,
  servers: normal.servers.map((each) => (each.name === "secondary" ? { ...each, ...changes } : each)),
});
const withStandby = (changes: Partial<WatchedDatabase>): Watched => ({
  ...normal,
  databases: [shared, { ...readOnly, ...changes }],
});
const slot = (walStatus: string, megabytes: number) => ({
  ...{ name: "read_only", walStatus, retainedBytes: megabytes * mebibyte },
});
const transition = (verdict: string, endedAt: string) => ({
  ...{ transition: "promote", transitionId: "CHG-1", verdict, endedAt, error: "no space left on device" },
});
const madeAt = (endedAt: string) => ({ name: "20261120T020000Z-7", endedAt, bytes: 42 });
const backedUp: BackupRecord = {
  ...{ since: inDays(-30), lastGood: madeAt(time), pending: null, lastFailure: null },
};
const settings = alertSettingsSchema.parse({});
const of = (watched: Watched, holds: boolean | null, by = settings) =>
  judgeAlerts(watched, by)
    .filter((judgement) => judgement.holds === holds)
    .map(({ key }) => key);

describe("the rules of the alerts", () => {
  const withoutLag: WatchedDatabase = { ...readOnly, lagBytes: null, lagSeconds: null, slot: null };
  // Which of them is the standby is not known while none accepts writes.
  const ofBoth = ["shared", "read-only"].flatMap((name) =>
    ["replication-stopped", "lag", "slot-retention", "slot-lost", "degenerate"].map(
      (rule) => `${rule}:${name}`,
    ),
  );
  const gone = { role: "down", streaming: null, lagBytes: null, lagSeconds: null, detail: "gone" } as const;
  test.each<[what: string, watched: Watched, holds: readonly string[], unknown: readonly string[]]>([
    ["nothing is wrong", normal, [], []],
    ["a server is down", withServer({ role: "down", active: false }), ["server-inactive:secondary"], []],
    [
      "a server cannot do its duty",
      withServer({ role: "unavailable", active: false }),
      ["server-inactive:secondary"],
      [],
    ],
    [
      "a server was not asked yet",
      withServer({ role: "unknown", active: false }),
      [],
      ["server-inactive:secondary"],
    ],
    ["the standby does not stream", withStandby({ streaming: false }), ["replication-stopped:read-only"], []],
    [
      "of the standby it is not known",
      withStandby({ streaming: null }),
      [],
      ["replication-stopped:read-only"],
    ],
    [
      "no database accepts writes for a moment: of both it is not known whether they follow",
      { ...normal, writable: null, databases: [{ ...shared, role: "closed" }, withoutLag] },
      ["no-writable-database"],
      ofBoth,
    ],
    [
      "the standby is gone, its slot holds back WAL",
      withStandby({ ...gone, slot: slot("extended", 600) }),
      ["replication-stopped:read-only", "slot-retention:read-only", "degenerate:read-only"],
      ["lag:read-only"],
    ],
    ["the standby is behind by bytes", withStandby({ lagBytes: 65 * mebibyte }), ["lag:read-only"], []],
    ["the standby is behind by time", withStandby({ lagSeconds: 61 }), ["lag:read-only"], []],
    [
      "the standby is as far behind as it may be",
      withStandby({ lagBytes: 64 * mebibyte, lagSeconds: 60 }),
      [],
      [],
    ],
    [
      "a slot holds back much",
      withStandby({ slot: slot("extended", 513) }),
      ["slot-retention:read-only"],
      [],
    ],
    ["a slot is lost", withStandby({ slot: slot("lost", 0) }), ["slot-lost:read-only"], []],
    [
      "a slot is not known",
      withStandby({ slot: null }),
      [],
      ["slot-retention:read-only", "slot-lost:read-only"],
    ],
    [
      "no database accepts writes",
      {
        ...normal,
        phase: "degraded",
        writable: null,
        databases: [
          { ...shared, ...gone },
          { ...readOnly, slot: null, lagBytes: null, lagSeconds: null },
        ],
      },
      ["no-writable-database", "phase:degraded"],
      [...ofBoth],
    ],
    [
      "no database was looked at yet",
      {
        ...normal,
        writable: null,
        databases: [shared, readOnly].map((each) => ({ ...each, ...gone, slot: null, observedAt: null })),
      },
      [],
      ["no-writable-database", ...ofBoth],
    ],
    [
      "it is promoted, and the shared database is gone",
      {
        ...normal,
        phase: "promoted",
        writable: "read-only",
        databases: [
          { ...shared, ...gone, slot: slot("reserved", 0) },
          { ...readOnly, role: "primary", slot: null },
        ],
      },
      ["replication-stopped:shared", "degenerate:shared", "phase:promoted"],
      ["lag:shared"],
    ],
    [
      "a transition has failed",
      { ...normal, lastTransition: transition("failed", time) },
      ["transition-failed"],
      [],
    ],
    ["it failed the day before", { ...normal, lastTransition: transition("failed", inDays(-1.1)) }, [], []],
    [
      "it was refused, and has changed nothing",
      { ...normal, lastTransition: transition("refused", time) },
      [],
      [],
    ],
    ["the record cannot be read", { ...normal, lastTransition: undefined }, [], ["transition-failed"]],
    [
      "a certificate ends soon",
      withServer({ certificateExpiresAt: inDays(29) }),
      ["certificate:secondary"],
      [],
    ],
    [
      "a certificate has ended",
      withServer({ certificateExpiresAt: inDays(-1) }),
      ["certificate:secondary"],
      [],
    ],
    [
      "the gateway's certificate of one's own ends soon",
      { ...normal, gateway: { ownCertificateEndsAt: inDays(29) } },
      ["certificate:gateway"],
      [],
    ],
    [
      "the gateway's certificate of one's own ends later",
      { ...normal, gateway: { ownCertificateEndsAt: inDays(31) } },
      [],
      [],
    ],
    ["there is no gateway", { ...normal, gateway: null }, [], []],
    [
      "the newest backup is too old",
      {
        ...normal,
        backups: { alertAfterHours: 26, record: { ...backedUp, lastGood: madeAt(inDays(-1.1)) } },
      },
      ["backup-too-old"],
      [],
    ],
    [
      "there is none yet, and they were turned on lately",
      {
        ...normal,
        backups: { alertAfterHours: 26, record: { ...backedUp, since: inDays(-1), lastGood: null } },
      },
      [],
      [],
    ],
    [
      "there is none long after they were turned on",
      { ...normal, backups: { alertAfterHours: 26, record: { ...backedUp, lastGood: null } } },
      ["backup-too-old"],
      [],
    ],
    [
      "the record of backups cannot be read",
      { ...normal, backups: { alertAfterHours: 26, record: null } },
      [],
      ["backup-too-old"],
    ],
    ["no backups are made", { ...normal, backups: null }, [], []],
    ["a disk fills", withServer({ diskUsedPercent: 85 }), ["disk:secondary"], []],
    [
      "a server tells neither",
      withServer({ certificateExpiresAt: null, diskUsedPercent: null }),
      [],
      ["certificate:secondary", "disk:secondary"],
    ],
  ])("%s", (_, watched, holds, unknown) => {
    expect([of(watched, true), of(watched, null)]).toEqual([holds, unknown]);
  });

  test("one database alone is asked nothing of replication", () => {
    const rules = judgeAlerts({ ...normal, databases: [shared] }, settings).map(({ rule }) => rule);
    expect(rules).not.toEqual(expect.arrayContaining(["degenerate"]));
    expect(rules).not.toEqual(expect.arrayContaining(["replication-stopped"]));
  });

  test("what is silenced is not asked; every other rule is", () => {
    const silenced = alertSettingsSchema.parse({ silenced: ["phase", "disk"] });
    const asked = new Set(judgeAlerts(normal, silenced).map(({ rule }) => rule));
    expect(ruleNames.filter((rule) => !asked.has(rule))).toEqual(["phase", "disk"]);
  });

  test("says who reaches what this server does not, and what is known of why", () => {
    const watched = withServer({
      ...{ displayName: "Bridge", role: "down", active: false, detail: "no answer within 1 s" },
      reachedBy: [
        { server: "primary", reachable: false },
        { server: "read-only", reachable: true },
      ],
    });
    expect(judgeAlerts(watched, settings).find(({ holds }) => holds)).toMatchObject({
      subject: 'secondary server ("Bridge")',
      problem: "is down (no answer within 1 s); the read-only server reaches it",
    });
  });

  test.each([
    ["read-only", "shared", "rebuild"],
    ["shared", "read-only", "restore"],
  ] as const)("the lost slot of the %s database names the transition that helps", (name, writable, goal) => {
    const databases = [
      { ...shared, name: writable },
      { ...readOnly, name, slot: slot("lost", 0) },
    ];
    const [found] = judgeAlerts({ ...normal, writable, databases }, settings).filter(({ holds }) => holds);
    expect(found).toMatchObject({ key: `slot-lost:${name}`, remedy: expect.stringContaining(`${goal}"`) });
  });
});
