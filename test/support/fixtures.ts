import type { BackupRecord } from "../../core/backups/record.ts";
import type { Credentials } from "../../core/credentials.ts";
import {
  type DatabaseObservation,
  known,
  type Observation,
  type PostgresObservation,
  type ServerObservation,
} from "../../core/observation.ts";
import { configNamespace, parseSettings, type Settings } from "../../core/settings.ts";
import { allNodes, deriveTopology, type Topology } from "../../core/topology.ts";
import {
  type DatabaseName,
  type DatabaseRole,
  databaseRoles,
  type ServerName,
} from "../../core/vocabulary.ts";

/** Settings from config as a person writes it: objects and numbers become the JSON text that Pulumi hands over. */
export function settingsOf(config: Readonly<Record<string, unknown>> = {}): Settings {
  return parseSettings(rawConfig(config));
}

/** Keys without namespace → raw config. */
export function rawConfig(config: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      `${configNamespace}:${key}`,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

export function topologyOf(config: Readonly<Record<string, unknown>> = {}): Topology {
  return deriveTopology("pg-continuity", "unit", settingsOf(config));
}

/** Two hosts: what the shared database needs on one, what the read-only database needs on the other. */
export const twoHosts = {
  hosts: {
    alpha: { docker: "ssh://deploy@alpha", address: "10.0.0.1" },
    beta: { docker: "ssh://deploy@beta", address: "10.0.0.2" },
  },
  placement: { "read-only-database": "beta", "read-only-server": "beta" },
  publishedAddress: "0.0.0.0",
};

/** Credentials that can be told apart in whatever is rendered from them. */
export const credentials: Credentials = {
  caCertificate: "AUTHORITY CERTIFICATE\n",
  passwords: forEachRole((role) => [`password-of-${role}`]),
  salts: forEachRole((role) => Buffer.from(`salt-of-${role}-16by`).toString("base64")),
  encryptionKeys: [Buffer.alloc(32, 7).toString("base64")],
  applicationSeed: Buffer.alloc(32, 9).toString("base64"),
  adminTokens: ["token-of-the-administrator"],
};

function forEachRole<T>(make: (role: string) => T): Record<DatabaseRole, T> {
  return Object.fromEntries(databaseRoles.map((role) => [role, make(role)])) as Record<DatabaseRole, T>;
}

const time = "2026-01-02T03:04:05.000Z";

/** A record with one good backup, made an hour before anything is observed. */
export const goodBackup: BackupRecord = {
  since: "2026-01-01T00:00:00.000Z",
  lastGood: { name: "20260102T020000Z-1", endedAt: "2026-01-02T02:04:05.000Z", bytes: 40 * 1024 ** 2 },
  pending: null,
  lastFailure: null,
};

/** A healthy deployment of a topology, as it would be observed. */
export function healthyObservation(topology: Topology): Observation {
  return {
    observedAt: time,
    databases: topology.databases.map(({ name }) => observedDatabase(name)),
    servers: topology.servers.map(({ name }) => observedServer(name)),
    applications: topology.applications.map(({ name }) => ({
      name,
      observedAt: time,
      container: known({ state: "running", since: time }),
      health: known({ isWell: true, detail: "UP, L4OK", seconds: 60 }),
    })),
    gateway: known({ state: "running", since: time }),
    certificates: [...allNodes(topology).map(({ node }) => node), "authority"].map((of) => ({
      of,
      seen: known({ expiresAt: "2028-04-06T03:04:05.000Z", problem: null }),
    })),
    backup:
      topology.backup === null
        ? null
        : { container: known({ state: "running", since: time }), record: known(goodBackup) },
    networks: topology.hosts.map(({ name, network }) => ({ host: name, network, state: known("present") })),
  };
}

/** A database that does what it was first told: `shared` writes and feeds `read-only`. */
export function observedDatabase(
  name: DatabaseName,
  postgres: Partial<PostgresObservation> = {},
): DatabaseObservation {
  const isPrimary = name === "shared";
  const role = isPrimary
    ? ({ role: "primary" } as const)
    : ({ role: "standby", upstream: "shared" } as const);
  return {
    name,
    observedAt: time,
    container: known({ state: "running", since: time }),
    intent: known({ version: 1, ...role, transitionId: "initial", writtenAt: time }),
    nodeState: known({ state: "starting", detail: "", since: time }),
    stop: known(undefined),
    keptData: known([]),
    overrides: known([]),
    postgres: known({
      systemId: "7000000000000000001",
      inRecovery: !isPrimary,
      timeline: 1,
      lsn: "0/3000060",
      receivedLsn: isPrimary ? null : "0/3000060",
      replayPaused: false,
      streaming: !isPrimary,
      synchronous: false,
      waitingCommits: 0,
      synchronousEra: null,
      transition: null,
      logicalSlots: [],
      startedAt: time,
      version: "17.6",
      slots: isPrimary ? [{ name: "read_only", active: true, walStatus: "reserved", retainedBytes: 0 }] : [],
      senders: isPrimary ? [sender] : [],
      ...postgres,
    }),
  };
}

const sender = {
  applicationName: "read-only-database",
  state: "streaming",
  syncState: "async",
  replayLsn: "0/3000060",
  lagSeconds: null,
  encrypted: true,
};

export function observedServer(name: ServerName): ServerObservation {
  const isReadOnly = name === "read-only";
  return {
    name,
    observedAt: time,
    container: known({ state: "running", since: time }),
    witness: known({ systemId: "7000000000000000001", highestTimeline: 1 }),
    health: known({
      state: isReadOnly ? "read-only" : "read-write",
      database: isReadOnly ? "read-only" : "shared",
      timeline: 1,
      since: time,
      problem: null,
      pack: { version: "1.0.0", keyFingerprint: "0123456789abcdef", schema: "0007-schedule" },
    }),
  };
}

/** The observation with one database changed. */
export function withDatabase(
  observation: Observation,
  name: DatabaseName,
  change: (database: DatabaseObservation) => DatabaseObservation,
): Observation {
  return {
    ...observation,
    databases: observation.databases.map((database) =>
      database.name === name ? change(database) : database,
    ),
  };
}
