import type { Intent } from "../../../core/intent.ts";
import { type DatabaseObservation, known, type Observation, unknown } from "../../../core/observation.ts";
import type { Step } from "../../../core/transition/step.ts";
import { type DatabaseName, slotName } from "../../../core/vocabulary.ts";

/** A database of the simulated world: what is really the case, whether anybody can see it or not. */
export interface SimulatedDatabase {
  name: DatabaseName;
  container: "running" | "stopped" | "missing";
  /** Whether its host answers the one who observes. */
  reachable: boolean;
  /** PostgreSQL inside: what it would be if it runs. */
  postgres: "writable" | "standby" | "closed" | "hung";
  timeline: number;
  /** Last position of its data. */
  lsn: number;
  intentRole: "primary" | "standby" | "fenced";
  upstream: DatabaseName | undefined;
  transitionId: string;
  /** Whether its last stop was in order, and it left word of it. */
  cleanStop: boolean;
  replayPaused: boolean;
  systemId: string;
  /** Whether the other one has not kept the WAL that it needs: its slot there was lost. */
  walGone?: boolean;
  /** Whether its writes wait for a standby. */
  synchronous?: boolean;
  /** The last era of synchronous replication in its data. */
  era?: string;
}

export interface World {
  shared: SimulatedDatabase;
  readOnly: SimulatedDatabase;
}

const at = "2026-01-01T00:00:00.000Z";
const lsnText = (lsn: number) => `0/${lsn.toString(16).toUpperCase()}`;

export const databasesOf = (world: World) => [world.shared, world.readOnly];
export const byName = (world: World, name: DatabaseName) =>
  name === "shared" ? world.shared : world.readOnly;
export const otherOf = (world: World, name: DatabaseName) =>
  name === "shared" ? world.readOnly : world.shared;

/** Whether the database accepts writes, in truth. */
export function isWritable(database: SimulatedDatabase): boolean {
  return database.container === "running" && database.postgres === "writable";
}

/** Whether a running standby receives from its upstream, in truth. */
export function streams(world: World, database: SimulatedDatabase): boolean {
  if (database.container !== "running" || database.postgres !== "standby" || !database.upstream) return false;
  if (database.walGone) return false;
  const upstream = byName(world, database.upstream);
  const serves =
    upstream.container === "running" && (upstream.postgres === "writable" || upstream.postgres === "standby");
  return (
    serves && upstream !== database && upstream.timeline >= database.timeline && upstream.lsn >= database.lsn
  );
}

/** What an observer sees of the world. */
export function observeWorld(world: World): Observation {
  return {
    observedAt: at,
    databases: databasesOf(world).map((database) => observeDatabase(world, database)),
    servers: [],
    applications: [],
    gateway: unknown("not simulated"),
    networks: [],
    certificates: [],
    backup: null,
  };
}

/** The same as a transition looks, which does not read what a stopped database was told, but knows what it has told it itself. */
export function observeInHaste(world: World, told: ReadonlySet<DatabaseName>): Observation {
  const seen = observeWorld(world);
  return {
    ...seen,
    databases: seen.databases.map((database) => {
      if (!endedInDisorder(byName(world, database.name))) return database;
      const { intent } = database;
      return {
        ...database,
        intent: told.has(database.name) ? intent : notRead,
        nodeState: notRead,
        keptData: notRead,
      };
    }),
  };
}

const notRead = unknown<never>("not read");

/** Whether it is down without word of where it ended. */
export function endedInDisorder({ reachable, container, cleanStop }: SimulatedDatabase): boolean {
  return reachable && container === "stopped" && !cleanStop;
}

function observeDatabase(world: World, database: SimulatedDatabase): DatabaseObservation {
  const { name } = database;
  if (!database.reachable) {
    const silent = unknown<never>("host does not answer");
    return {
      name,
      observedAt: at,
      container: silent,
      intent: silent,
      nodeState: silent,
      stop: silent,
      keptData: silent,
      overrides: silent,
      postgres: silent,
    };
  }
  const intent: Intent = {
    version: 1,
    role: database.intentRole,
    ...(database.upstream ? { upstream: database.upstream } : {}),
    transitionId: database.transitionId,
    writtenAt: at,
  };
  const answers =
    database.container === "running" && (database.postgres === "writable" || database.postgres === "standby");
  return {
    name,
    observedAt: at,
    container: known({ state: database.container, since: at }),
    intent: database.container === "missing" ? unknown("no container") : known(intent),
    nodeState: known(
      database.postgres === "closed" ? { state: "closed", detail: "waits", since: at } : undefined,
    ),
    stop:
      database.cleanStop && !answers
        ? known({ state: "shut down", lsn: lsnText(database.lsn - 1), timeline: database.timeline })
        : known(undefined),
    keptData: known([]),
    overrides: known([]),
    postgres: answers
      ? known({
          systemId: database.systemId,
          inRecovery: database.postgres === "standby",
          timeline: database.timeline,
          lsn: lsnText(database.lsn),
          receivedLsn: database.postgres === "standby" ? lsnText(database.lsn) : null,
          replayPaused: database.postgres === "standby" && database.replayPaused,
          streaming: streams(world, database),
          synchronous: database.synchronous ?? false,
          waitingCommits: 0,
          synchronousEra: database.era ?? null,
          transition: null,
          logicalSlots: [],
          startedAt: at,
          version: "17",
          slots: otherOf(world, name).walGone
            ? [
                {
                  name: slotName(otherOf(world, name).name),
                  active: false,
                  walStatus: "lost",
                  retainedBytes: null,
                },
              ]
            : [],
          senders:
            streams(world, otherOf(world, name)) && otherOf(world, name).upstream === name
              ? [
                  {
                    applicationName: `${otherOf(world, name).name}-database`,
                    state: "streaming",
                    syncState: "async",
                    replayLsn: lsnText(otherOf(world, name).lsn),
                    lagSeconds: 0,
                    encrypted: true,
                  },
                ]
              : [],
        })
      : unknown("PostgreSQL does not answer"),
  };
}

/** What a step does to the world. Throws when it could not be done there, as the real one would. */
export function apply(world: World, step: Step, transitionId: string): void {
  switch (step.kind) {
    case "switch-over": {
      const from = byName(world, step.from);
      const to = byName(world, step.to);
      tell(from, step.to, transitionId);
      from.postgres = "standby";
      to.lsn = Math.max(to.lsn, from.lsn);
      open(world, to, transitionId);
      return;
    }
    case "promote": {
      const database = byName(world, step.database);
      const other = otherOf(world, step.database);
      if (streams(world, database)) database.lsn = Math.max(database.lsn, other.lsn);
      open(world, database, transitionId);
      return;
    }
    case "fence": {
      const database = byName(world, step.database);
      tell(database, step.follows, transitionId);
      if (database.container === "running") {
        database.container = "stopped";
        database.cleanStop = database.postgres === "writable" || database.cleanStop;
        database.postgres = "closed";
      }
      return;
    }
    case "follow":
    case "copy": {
      const database = byName(world, step.database);
      const upstream = byName(world, step.upstream);
      if (step.kind === "copy" || step.expected.method === "base-backup") database.walGone = false;
      tell(database, step.upstream, transitionId);
      database.container = "running";
      database.postgres = "standby";
      database.replayPaused = false;
      database.timeline = upstream.timeline;
      database.lsn = upstream.lsn;
      database.cleanStop = false;
      return;
    }
    case "record-intent": {
      const database = byName(world, step.database);
      database.intentRole = "primary";
      database.upstream = undefined;
      database.transitionId = transitionId;
    }
  }
}

function tell(database: SimulatedDatabase, upstream: DatabaseName, transitionId: string): void {
  database.intentRole = "standby";
  database.upstream = upstream;
  database.transitionId = transitionId;
}

function open(world: World, database: SimulatedDatabase, transitionId: string): void {
  database.postgres = "writable";
  // Its slots are made anew.
  otherOf(world, database.name).walGone = false;
  database.timeline = Math.max(...databasesOf(world).map(({ timeline }) => timeline)) + 1;
  database.lsn += 1;
  database.intentRole = "primary";
  database.upstream = undefined;
  database.transitionId = transitionId;
  database.cleanStop = false;
}
