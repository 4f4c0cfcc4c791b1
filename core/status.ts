import { type BackupStatus, backupFindings, backupStatus } from "./backupStatus.ts";
import { type CertificateStatus, certificateFindings, certificateStatus } from "./certificateFindings.ts";
import { driftFindings, hostFindings } from "./driftFindings.ts";
import { lsnDistance } from "./lsn.ts";
import type {
  ApplicationObservation,
  DatabaseObservation,
  KeptData,
  Observation,
  PostgresObservation,
  RunningTransition,
  ServerObservation,
  ServerPack,
} from "./observation.ts";
import type { AllGenerations } from "./rotation.ts";
import { rotationFindings } from "./rotationFindings.ts";
import type { Topology } from "./topology.ts";
import { conclude } from "./verdict.ts";
import type { DatabaseName, Phase, ServerName } from "./vocabulary.ts";

/** Version of the JSON that `npm run status -- --json` prints (docs/status.md). */
export const statusVersion = 1;

export type DatabaseRoleNow = "primary" | "standby" | "fenced" | "closed" | "down" | "unknown";
export type ServerRoleNow = "read-write" | "read-only" | "unavailable" | "down" | "unknown";

export interface DatabaseStatus {
  readonly name: DatabaseName;
  readonly role: DatabaseRoleNow;
  readonly expectedRole: "primary" | "standby" | "fenced";
  readonly reachable: boolean;
  readonly timeline: number | null;
  readonly lsn: string | null;
  /** How far a standby is behind the writable database; null for the writable one and where it is not known. */
  readonly lagBytes: number | null;
  readonly lagSeconds: number | null;
  /** The slot that feeds a standby, as the writable database has it. */
  readonly slot: {
    readonly name: string;
    readonly active: boolean;
    readonly walStatus: string | null;
  } | null;
  readonly streaming: boolean | null;
  /** The writable database: whether its commits wait for a standby; null for the others. */
  readonly synchronous: boolean | null;
  /** The writable database: commits that wait for a standby now. */
  readonly waitingCommits: number | null;
  /** A standby, as the writable database sees it: `sync` where commits wait for it, else `async` or `potential`. */
  readonly syncState: string | null;
  /** ISO time since which PostgreSQL, or else the container, is in this state; null where it is not known. */
  readonly since: string | null;
  readonly observedAt: string;
  /** Why it is not as expected, or what it is doing. */
  readonly detail: string | null;
  /** Diverged data that is kept aside there until a person removes it; null where that is not known. */
  readonly keptData: readonly KeptData[] | null;
}

export interface ServerStatus {
  readonly name: ServerName;
  readonly role: ServerRoleNow;
  readonly expectedRole: "read-write" | "read-only";
  readonly reachable: boolean;
  readonly database: string | null;
  readonly since: string | null;
  readonly observedAt: string;
  readonly detail: string | null;
  /** What keeps it from its duty and does not pass by itself; null where nothing is known to. */
  readonly problem: string | null;
  /** What has to be the same on all servers; null while it does not answer. */
  readonly pack: ServerPack | null;
}

/** One's own application beside a server. */
export interface ApplicationStatus {
  readonly name: ServerName;
  readonly state: "well" | "unwell" | "down" | "unknown";
  /** ISO time since which its container is in this state; null where it is not known. */
  readonly since: string | null;
  readonly observedAt: string;
  /** Why it is not well. */
  readonly detail: string | null;
}

/** Something that is not as declared, and the way out. */
export interface Finding {
  readonly subject: string;
  readonly problem: string;
  readonly remedy: string;
}

export interface Status {
  readonly version: typeof statusVersion;
  readonly stack: string;
  readonly model: string;
  readonly phase: Phase;
  readonly verdict: "ok" | "degraded" | "down" | "unknown";
  /** One sentence. */
  readonly summary: string;
  readonly observedAt: string;
  /** The transition that runs now; null when none does. */
  readonly transition: RunningTransition | null;
  readonly databases: readonly DatabaseStatus[];
  readonly servers: readonly ServerStatus[];
  /** One's own applications, one beside each server; none where the servers are it themselves. */
  readonly applications: readonly ApplicationStatus[];
  readonly gateway: { readonly reachable: boolean; readonly detail: string | null };
  /** Until when the nodes and the authority are trusted. */
  readonly certificates: readonly CertificateStatus[];
  /** Null where none are made. */
  readonly backups: BackupStatus | null;
  readonly findings: readonly Finding[];
}

/**
 * Judges one round of observations against what was declared. Pure; says only what was observed, and unknown where
 * something could not be asked.
 *
 * @param applied the generations of credentials that were applied last, where a rotation that was left unfinished is to
 *   be a finding
 */
export function judge(topology: Topology, observation: Observation, applied?: AllGenerations): Status {
  const writable = observation.databases.flatMap((database) =>
    database.postgres.known && !database.postgres.value.inRecovery
      ? [{ name: database.name, postgres: database.postgres.value }]
      : [],
  );
  const databases = observation.databases.map((database) =>
    databaseStatus(topology, database, writable[0]?.postgres),
  );
  const servers = observation.servers.map((server) => serverStatus(server, writable[0]?.name));
  const applications = observation.applications.map(applicationStatus);
  const gateway =
    observation.gateway.known && observation.gateway.value.state === "running"
      ? { reachable: true, detail: null }
      : {
          reachable: false,
          detail: observation.gateway.known
            ? `its container is ${observation.gateway.value.state}`
            : observation.gateway.reason,
        };
  const transition = writable[0]?.postgres.transition ?? runningTransition(observation);
  const { observedAt } = observation;
  const names = writable.map(({ name }) => name);
  const seen = { writable: names, databases, servers, applications, gateway, transition, observedAt };
  const more = [
    ...driftFindings(topology, observation),
    ...certificateFindings(observation),
    ...backupFindings(topology, observation),
    ...(applied ? rotationFindings(applied) : []),
  ];
  const certificates = certificateStatus(observation);
  return {
    version: statusVersion,
    ...conclude(topology, seen, more, hostFindings(observation)),
    certificates,
    backups: backupStatus(topology, observation),
  };
}

function databaseStatus(
  topology: Topology,
  observed: DatabaseObservation,
  writable: PostgresObservation | undefined,
): DatabaseStatus {
  const { name, observedAt } = observed;
  const declared = observed.intent.known ? observed.intent.value?.role : undefined;
  const expectedRole = declared ?? (name === "shared" ? "primary" : "standby");
  const keptData = observed.keptData.known ? (observed.keptData.value ?? null) : null;
  const base = { name, expectedRole, observedAt, keptData };
  if (!observed.postgres.known) {
    const { role, since, detail } = silentDatabase(observed, observed.postgres.reason);
    return { ...base, role, reachable: false, ...nothingKnown, since, detail };
  }
  const postgres = observed.postgres.value;
  if (!postgres.inRecovery)
    return {
      ...base,
      ...nothingKnown,
      role: "primary",
      reachable: true,
      timeline: postgres.timeline,
      lsn: postgres.lsn,
      synchronous: postgres.synchronous,
      waitingCommits: postgres.waitingCommits,
      since: postgres.startedAt,
      detail: null,
    };
  const slotName = topology.databases.find((node) => node.name === name)?.slot;
  const slot = writable?.slots.find((candidate) => candidate.name === slotName);
  const sender = writable?.senders.find((candidate) => candidate.applicationName === `${name}-database`);
  return {
    ...base,
    ...nothingKnown,
    role: "standby",
    reachable: true,
    timeline: postgres.timeline,
    lsn: postgres.lsn,
    lagBytes: writable ? lsnDistance(writable.lsn, postgres.lsn) : null,
    lagSeconds: sender ? (sender.lagSeconds ?? 0) : null,
    slot: slot ? { name: slot.name, active: slot.active, walStatus: slot.walStatus } : null,
    streaming: postgres.streaming,
    syncState: sender?.syncState ?? null,
    since: postgres.startedAt,
    detail: postgres.replayPaused ? "replay is paused" : null,
  };
}

const nothingKnown = {
  timeline: null,
  lsn: null,
  lagBytes: null,
  lagSeconds: null,
  slot: null,
  streaming: null,
  synchronous: null,
  waitingCommits: null,
  syncState: null,
} as const;

/** A database whose PostgreSQL does not answer: what its container and its entrypoint say instead. */
function silentDatabase(
  observed: DatabaseObservation,
  reason: string,
): { role: DatabaseRoleNow; since: string | null; detail: string } {
  if (!observed.container.known) return { role: "unknown", since: null, detail: observed.container.reason };
  const { state, since } = observed.container.value;
  if (state !== "running")
    return {
      role: "down",
      since: since ?? null,
      detail: state === "missing" ? "its container does not exist" : "its container is stopped",
    };
  const said = observed.nodeState.known ? observed.nodeState.value : undefined;
  if (said?.state === "closed") {
    const fenced = observed.intent.known && observed.intent.value?.role === "fenced";
    return { role: fenced ? "fenced" : "closed", since: said.since, detail: said.detail };
  }
  return {
    role: "down",
    since: said?.since ?? since ?? null,
    detail: said ? `${said.state}: ${said.detail}` : reason,
  };
}

function serverStatus(observed: ServerObservation, writable: DatabaseName | undefined): ServerStatus {
  const { name, observedAt } = observed;
  const expectedRole = name === "read-only" && writable !== "read-only" ? "read-only" : "read-write";
  if (observed.health.known) {
    const { state, database, since, problem, pack } = observed.health.value;
    const role = state === "read-write" || state === "read-only" ? state : "unavailable";
    return {
      name,
      expectedRole,
      observedAt,
      role,
      reachable: true,
      database,
      since,
      detail: role === "unavailable" ? state : null,
      problem,
      pack,
    };
  }
  const base = {
    name,
    expectedRole,
    observedAt,
    reachable: false,
    database: null,
    problem: null,
    pack: null,
  } as const;
  if (!observed.container.known)
    return { ...base, role: "unknown", since: null, detail: observed.container.reason };
  const { state, since } = observed.container.value;
  return {
    ...base,
    role: "down",
    since: since ?? null,
    detail: state === "running" ? observed.health.reason : `its container is ${state}`,
  };
}

/** Its container first: what the gateway finds of one that does not run is only that. */
function applicationStatus({
  name,
  observedAt,
  container,
  health,
}: ApplicationObservation): ApplicationStatus {
  const base = { name, observedAt };
  if (!container.known) return { ...base, state: "unknown", since: null, detail: container.reason };
  const since = container.value.since ?? null;
  const { state } = container.value;
  if (state !== "running") return { ...base, state: "down", since, detail: `its container is ${state}` };
  if (!health.known) return { ...base, state: "unknown", since, detail: health.reason };
  if (health.value.isWell) return { ...base, state: "well", since, detail: null };
  const { detail, seconds } = health.value;
  return {
    ...base,
    state: "unwell",
    since,
    detail: `the gateway finds it ${detail}, for ${seconds} s`,
  };
}

/** The transition whose lock some database holds. */
function runningTransition(observation: Observation): RunningTransition | null {
  for (const { postgres } of observation.databases)
    if (postgres.known && postgres.value.transition) return postgres.value.transition;
  return null;
}
