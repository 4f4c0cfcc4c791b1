import type { Override } from "./autoConf.ts";
import type { BackupRecord } from "./backups/record.ts";
import type { Intent } from "./intent.ts";
import type { DatabaseName, ServerName } from "./vocabulary.ts";

/** Something that could be asked, or the reason why it could not: unknown is never shown as a value. */
export type Observed<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly reason: string };

export const known = <T>(value: T): Observed<T> => ({ known: true, value });
export const unknown = <T>(reason: string): Observed<T> => ({ known: false, reason });

/** A container as its engine sees it. */
export interface ContainerObservation {
  readonly state: "running" | "stopped" | "missing";
  /** ISO time of the last start or end. */
  readonly since?: string;
  /** Whether it is connected to the stack's network; only said of a running one. */
  readonly isAttached?: boolean;
}

/** The network that a stack's containers on a host share. */
export interface NetworkObservation {
  readonly host: string;
  readonly network: string;
  readonly state: Observed<"present" | "missing">;
}

/** A replication slot of a database that accepts connections. */
export interface SlotObservation {
  readonly name: string;
  readonly active: boolean;
  /** `reserved | extended | unreserved | lost` (PostgreSQL, pg_replication_slots.wal_status); null before first use. */
  readonly walStatus: string | null;
  /** WAL that the slot holds back, in bytes; null where it holds none. */
  readonly retainedBytes: number | null;
}

/** A logical replication slot (PostgreSQL documentation, 29.3). */
export interface LogicalSlotObservation {
  readonly name: string;
  /** Whether it is to be kept on the standby. */
  readonly failover: boolean;
  /** On a standby: kept up to date there, and usable after a promotion. */
  readonly ready: boolean;
}

/** A standby as the database that feeds it sees it (pg_stat_replication). */
export interface SenderObservation {
  readonly applicationName: string;
  readonly state: string;
  readonly syncState: string;
  readonly replayLsn: string | null;
  readonly lagSeconds: number | null;
  readonly encrypted: boolean;
}

/** What a running PostgreSQL says of itself. */
export interface PostgresObservation {
  readonly systemId: string;
  readonly inRecovery: boolean;
  readonly timeline: number;
  /** Written (primary) or replayed (standby) up to here. */
  readonly lsn: string;
  /** A standby: received up to here; null on a primary. */
  readonly receivedLsn: string | null;
  readonly replayPaused: boolean;
  /** A standby: whether it receives WAL by streaming now. */
  readonly streaming: boolean;
  /** Whether its commits wait for a standby, or would if it were writable. */
  readonly synchronous: boolean;
  /** Commits that wait for a standby now. */
  readonly waitingCommits: number;
  /** The last era of synchronous replication that its data knows of (`core/render/era.ts`); null for none. */
  readonly synchronousEra: string | null;
  readonly startedAt: string;
  readonly version: string;
  readonly slots: readonly SlotObservation[];
  readonly logicalSlots: readonly LogicalSlotObservation[];
  readonly senders: readonly SenderObservation[];
  /** Who holds the lock of transitions here: a transition is running. */
  readonly transition: RunningTransition | null;
}

/** A transition that runs now, as its lock in the database names it. */
export interface RunningTransition {
  /** `pg-continuity TRANSITION ID USER@HOST`, cut to what PostgreSQL keeps of a name. */
  readonly holder: string;
  readonly since: string;
}

/** What a node's entrypoint says of itself while postgres does not run. */
export interface NodeStateObservation {
  readonly state: string;
  readonly detail: string;
  readonly since: string;
}

/** Where a database ended when it was last stopped in order (`stopped.json`); gone while it runs and after a crash. */
export interface StopObservation {
  /** As pg_controldata says: `shut down`, `shut down in recovery`. */
  readonly state: string;
  /** Position of the last checkpoint; after a clean stop of a primary that is its last record. */
  readonly lsn: string;
  readonly timeline: number;
}

/** How a former primary became a standby (`rejoin.json`). */
export interface RejoinObservation {
  readonly method: "as-is" | "rewind" | "base-backup";
  readonly reason: string;
  /** Where the upstream had left its timeline. */
  readonly forkLsn?: string | undefined;
  /** Where its own data ended. */
  readonly endLsn?: string | undefined;
  /** Folder of the copy of diverged data. */
  readonly keptAt?: string | undefined;
  /** Why diverged data was not kept. */
  readonly notKept?: string | undefined;
  readonly transitionId: string;
}

/** A copy of data that went its own way, kept aside before it was set back. */
export interface KeptData {
  readonly folder: string;
  readonly bytes: number;
}

export interface DatabaseObservation {
  readonly name: DatabaseName;
  readonly observedAt: string;
  readonly container: Observed<ContainerObservation>;
  readonly intent: Observed<Intent | undefined>;
  readonly nodeState: Observed<NodeStateObservation | undefined>;
  readonly postgres: Observed<PostgresObservation>;
  readonly stop: Observed<StopObservation | undefined>;
  /** Copies of diverged data that nobody has removed yet (`kept.json`). */
  readonly keptData: Observed<readonly KeptData[] | undefined>;
  /** What `ALTER SYSTEM` has set there. */
  readonly overrides: Observed<readonly Override[]>;
}

/** What has to be the same on all servers of a deployment. */
export interface ServerPack {
  readonly version: string;
  /** Of the key that it seals secrets with. */
  readonly keyFingerprint: string;
  /** The last migration that it has found in the database; null before it has found one. */
  readonly schema: string | null;
}

/** What a server answers on its health endpoint (docs/server-endpoints.md). */
export interface ServerHealth {
  readonly state: string;
  readonly database: string | null;
  readonly timeline: number | null;
  readonly since: string;
  /** What keeps it from its duty and does not pass by itself; null where nothing is known to. */
  readonly problem: string | null;
  /** Null for a version before it was told. */
  readonly pack: ServerPack | null;
}

/** What a server remembers as a witness: the highest timeline that it has seen. */
export interface WitnessObservation {
  readonly systemId: string | null;
  readonly highestTimeline: number | null;
}

export interface ServerObservation {
  readonly name: ServerName;
  readonly observedAt: string;
  readonly container: Observed<ContainerObservation>;
  readonly health: Observed<ServerHealth>;
  readonly witness: Observed<WitnessObservation>;
}

/** The certificate that a node presents. */
export interface CertificateObservation {
  readonly expiresAt: string;
  /** Why a client would not accept it now; null where it would. */
  readonly problem: string | null;
}

/** What the gateway finds of an application of one's own. */
export interface ApplicationHealth {
  readonly isWell: boolean;
  /** As HAProxy says it: `UP, L4OK`. */
  readonly detail: string;
  /** For how long it has been so. */
  readonly seconds: number;
}

/** One's own application beside a server. */
export interface ApplicationObservation {
  readonly name: ServerName;
  readonly observedAt: string;
  readonly container: Observed<ContainerObservation>;
  readonly health: Observed<ApplicationHealth>;
}

/** The container that makes backups, and what the database has of them on record. */
export interface BackupObservation {
  readonly container: Observed<ContainerObservation>;
  readonly record: Observed<BackupRecord>;
}

/** One round of observations of a whole deployment. */
export interface Observation {
  readonly observedAt: string;
  readonly databases: readonly DatabaseObservation[];
  readonly servers: readonly ServerObservation[];
  readonly applications: readonly ApplicationObservation[];
  readonly gateway: Observed<ContainerObservation>;
  readonly networks: readonly NetworkObservation[];
  /** Null where none are made, or nobody has asked. */
  readonly backup: BackupObservation | null;
  /** Of every node by its name, and of the authority that is in use (`authority`). Empty where they were not asked for. */
  readonly certificates: readonly {
    readonly of: string;
    readonly seen: Observed<CertificateObservation>;
  }[];
}
