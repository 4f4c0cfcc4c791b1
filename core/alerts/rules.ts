import { type BackupRecord, backupRemedy, whyTooOld } from "../backups/record.ts";
import { renewal } from "../ownCertificate.ts";
import type { DatabaseName, Phase, ServerName } from "../vocabulary.ts";
import { phases } from "../vocabulary.ts";
import type { ReadonlyAlertSettings, RuleName } from "./settings.ts";

export const severities = ["critical", "warning", "info"] as const;
export type Severity = (typeof severities)[number];

const severityOf: Readonly<Record<RuleName, Severity>> = {
  "no-writable-database": "critical",
  "server-inactive": "warning",
  "replication-stopped": "warning",
  lag: "warning",
  "slot-retention": "warning",
  "slot-lost": "critical",
  degenerate: "warning",
  phase: "info",
  "transition-failed": "critical",
  certificate: "warning",
  disk: "warning",
  "backup-too-old": "warning",
};

/** What the rules look at; the overview of the High availability page has all of it. */
export interface Watched {
  readonly observedAt: string;
  readonly phase: Phase;
  readonly summary: string;
  readonly writable: DatabaseName | null;
  readonly servers: readonly WatchedServer[];
  readonly databases: readonly WatchedDatabase[];
  /** The last one on record; null where none is, undefined where that is not known. */
  readonly lastTransition?: LastTransition | null | undefined;
  readonly gateway: {
    /** Of the certificate of one's own that it shows to clients; null where there is none. */
    readonly ownCertificateEndsAt: string | null;
  } | null;
  /** Not there where none are made. */
  readonly backups?: WatchedBackups | null;
}

export interface WatchedBackups {
  readonly alertAfterHours: number;
  /** Null while it is not known. */
  readonly record: BackupRecord | null;
}

export interface WatchedServer {
  readonly name: ServerName;
  readonly displayName: string;
  readonly role: "read-write" | "read-only" | "unavailable" | "down" | "unknown";
  readonly active: boolean;
  readonly detail: string | null;
  readonly reachedBy: readonly { readonly server: ServerName; readonly reachable: boolean | null }[];
  readonly certificateExpiresAt: string | null;
  readonly diskUsedPercent: number | null;
}

export interface WatchedDatabase {
  readonly name: DatabaseName;
  readonly role: "primary" | "standby" | "closed" | "refused" | "down";
  readonly streaming: boolean | null;
  readonly lagBytes: number | null;
  readonly lagSeconds: number | null;
  readonly slot: {
    readonly name: string;
    readonly walStatus: string | null;
    readonly retainedBytes: number | null;
  } | null;
  readonly detail: string | null;
  readonly observedAt: string | null;
}

export interface LastTransition {
  readonly transition: string;
  readonly transitionId: string;
  readonly verdict: string;
  readonly endedAt: string;
  readonly error: string | null;
}

/** What a rule says of one thing. */
export interface Judgement {
  /** The same thing has the same key: `server-inactive:secondary`. */
  readonly key: string;
  readonly rule: RuleName;
  readonly severity: Severity;
  readonly subject: string;
  readonly problem: string;
  readonly remedy: string;
  /** Null: not known now. What is not known changes nothing. */
  readonly holds: boolean | null;
}

const mebibyte = 1024 * 1024;
const day = 24 * 3600 * 1000;
/** A failed transition that nobody has run again is no news any more after so long. */
const transitionCountsMs = day;

/** Every rule on everything that it can be asked of. Pure. */
export function judgeAlerts(watched: Watched, settings: ReadonlyAlertSettings): readonly Judgement[] {
  const all = [
    noWritableDatabase(watched),
    ...watched.servers.map((server) => inactive(server)),
    // While none accepts writes it is not known which is the standby: an alert of either stays as it is.
    ...watched.databases
      .filter(({ name }) => watched.databases.length > 1 && name !== watched.writable)
      .flatMap((database) => [
        replicationStopped(watched, database),
        lag(database, settings),
        slotRetention(database, settings),
        slotLost(database),
        degenerate(watched, database),
      ]),
    ...phases.filter((phase) => phase !== "normal").map((phase) => phaseIs(watched, phase)),
    transitionFailed(watched),
    ...watched.servers.flatMap((server) => [
      serverCertificate(watched, server, settings),
      disk(server, settings),
    ]),
    gatewayCertificate(watched, settings),
    backupTooOld(watched),
  ];
  return all.filter(({ rule }) => !settings.silenced.includes(rule));
}

function judgement(
  rule: RuleName,
  about: string | null,
  holds: boolean | null,
  text: Pick<Judgement, "subject" | "problem" | "remedy">,
): Judgement {
  const key = about === null ? rule : `${rule}:${about}`;
  return { key, rule, severity: severityOf[rule], ...text, holds };
}

function noWritableDatabase({ writable, databases }: Watched): Judgement {
  const isKnown = databases.every(({ observedAt }) => observedAt !== null);
  return judgement("no-writable-database", null, writable !== null ? false : isKnown ? true : null, {
    subject: "databases",
    problem: "no database accepts writes, only reading goes on",
    remedy: 'The High availability page and "npm run status" name the way out.',
  });
}

function inactive(server: WatchedServer): Judgement {
  const { name, displayName, role, active, detail } = server;
  const others = server.reachedBy.filter(({ reachable }) => reachable === true).map((by) => by.server);
  const reached =
    role === "down" && others.length > 0 ? `; the ${others.join(" and ")} server reaches it` : "";
  const shown = displayName === name ? "" : ` ("${displayName}")`;
  return judgement("server-inactive", name, role === "unknown" ? null : !active, {
    subject: `${name} server${shown}`,
    problem: `is ${role}${detail === null || detail === role ? "" : ` (${detail})`}${reached}`,
    remedy: "The High availability page says why, and which command helps.",
  });
}

function replicationStopped({ writable }: Watched, database: WatchedDatabase): Judgement {
  const { name, role, streaming, detail, observedAt } = database;
  // Without a writable database there is nothing to follow.
  const isKnown = writable !== null && observedAt !== null && (role !== "standby" || streaming !== null);
  return judgement(
    "replication-stopped",
    name,
    isKnown ? !(role === "standby" && streaming === true) : null,
    {
      subject: `${name} database`,
      problem: `receives nothing from the ${writable} database: ${
        role === "standby" ? "it does not stream" : `it is ${role}${detail === null ? "" : ` (${detail})`}`
      }`,
      remedy: "Until it streams again, nothing can take over without loss. Look at its tile and its log.",
    },
  );
}

function lag(database: WatchedDatabase, settings: ReadonlyAlertSettings): Judgement {
  const { name, lagBytes, lagSeconds } = database;
  const isKnown = lagBytes !== null && lagSeconds !== null;
  const isFar = (lagBytes ?? 0) > settings.lagMegabytes * mebibyte || (lagSeconds ?? 0) > settings.lagSeconds;
  return judgement("lag", name, isKnown ? isFar : null, {
    subject: `${name} database`,
    problem: `is ${megabytes(lagBytes ?? 0)} MB, ${Math.round(lagSeconds ?? 0)} s behind (limits ${settings.lagMegabytes} MB, ${settings.lagSeconds} s)`,
    remedy: "Look for a long query on it that holds replay back, or for a slow disk or network.",
  });
}

function slotRetention({ name, slot }: WatchedDatabase, settings: ReadonlyAlertSettings): Judgement {
  const retained = slot?.retainedBytes ?? null;
  const limit = settings.slotMegabytes;
  return judgement("slot-retention", name, retained === null ? null : retained > limit * mebibyte, {
    subject: `slot of the ${name} database`,
    problem: `holds back ${megabytes(retained ?? 0)} MB of WAL (limit ${limit} MB)`,
    remedy:
      "Bring its standby back: beyond slotWalKeepMegabytes the slot is given up, and a rebuild is needed.",
  });
}

function slotLost({ name, slot }: WatchedDatabase): Judgement {
  return judgement("slot-lost", name, slot === null ? null : slot.walStatus === "lost", {
    subject: `slot of the ${name} database`,
    problem: "is lost: WAL that its standby needs is gone",
    remedy: `Build the standby again: "pulumi config set transition ${name === "read-only" ? "rebuild" : "restore"}".`,
  });
}

function degenerate({ writable }: Watched, database: WatchedDatabase): Judgement {
  const { name, role, observedAt } = database;
  const isKnown = writable !== null && observedAt !== null;
  return judgement("degenerate", name, isKnown ? role !== "standby" : null, {
    subject: "deployment",
    problem: `has only the ${writable} database in operation: nothing can take over from it`,
    remedy:
      writable === "read-only"
        ? 'Bring the shared database back: "pulumi config set transition restore".'
        : `Bring the ${name} database back; if its data is lost: "pulumi config set transition rebuild".`,
  });
}

function phaseIs(watched: Watched, phase: Phase): Judgement {
  return judgement("phase", phase, watched.phase === phase, {
    subject: "deployment",
    problem: `is ${phase}: ${watched.summary}`,
    remedy: "The High availability page says what to do next.",
  });
}

function transitionFailed({ lastTransition, observedAt }: Watched): Judgement {
  const isFresh =
    lastTransition != null &&
    Date.parse(observedAt) - Date.parse(lastTransition.endedAt) < transitionCountsMs;
  const holds = lastTransition === undefined ? null : isFresh && lastTransition.verdict === "failed";
  const { transition = "", transitionId = "", error = null } = lastTransition ?? {};
  return judgement("transition-failed", null, holds, {
    subject: `transition ${transition} (${transitionId})`,
    problem: `has failed${error === null ? "" : `: ${error}`}`,
    remedy: 'Run it again ("pulumi up"): it goes on from what it finds. The page Transitions has each step.',
  });
}

function serverCertificate(
  { observedAt }: Watched,
  { name, certificateExpiresAt }: WatchedServer,
  { certificateDays }: ReadonlyAlertSettings,
): Judgement {
  const left = daysUntil(certificateExpiresAt, observedAt);
  return judgement("certificate", name, left === null ? null : left < certificateDays, {
    subject: `certificate of the ${name} server`,
    problem: expiry(certificateExpiresAt, left),
    remedy: 'Renew all certificates: "npm run rotate -- certificates".',
  });
}

/** One of one's own; without it there is nothing to end, and an alert on the one before is over. */
function gatewayCertificate(
  { observedAt, gateway }: Watched,
  { certificateDays }: ReadonlyAlertSettings,
): Judgement {
  const endsAt = gateway?.ownCertificateEndsAt ?? null;
  const left = daysUntil(endsAt, observedAt);
  return judgement("certificate", "gateway", left !== null && left < certificateDays, {
    subject: "certificate that the gateway shows to clients",
    problem: expiry(endsAt, left),
    remedy: `Renew it: ${renewal}.`,
  });
}

function daysUntil(end: string | null, now: string): number | null {
  return end === null ? null : (Date.parse(end) - Date.parse(now)) / day;
}

function expiry(end: string | null, left: number | null): string {
  const date = end?.slice(0, 10);
  return (left ?? 0) < 0 ? `has expired on ${date}` : `expires on ${date}, in ${Math.floor(left ?? 0)} days`;
}

function disk({ name, diskUsedPercent }: WatchedServer, { diskPercent }: ReadonlyAlertSettings): Judgement {
  return judgement("disk", name, diskUsedPercent === null ? null : diskUsedPercent >= diskPercent, {
    subject: `disk of the ${name} server's host`,
    problem: `is ${diskUsedPercent} % full (limit ${diskPercent} %)`,
    remedy: "Free or add space; a database that cannot write WAL stops.",
  });
}

function backupTooOld({ observedAt, backups = null }: Watched): Judgement {
  const problem =
    backups?.record == null ? null : whyTooOld(backups.record, backups.alertAfterHours, observedAt);
  const isKnown = backups === null || backups.record !== null;
  return judgement("backup-too-old", null, isKnown ? problem !== null : null, {
    subject: "backups",
    problem: problem === null ? "are not too old" : `are too old: ${problem}`,
    remedy: backupRemedy,
  });
}

function megabytes(bytes: number): number {
  return Math.round(bytes / mebibyte);
}
