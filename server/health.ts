import type { DatabaseName, ServerName } from "../core/vocabulary.ts";
import type { ClusterState } from "./databases/cluster.ts";
import { databaseRole } from "./databases/view.ts";

/** What a server can do now. */
export const serverStates = [
  "starting",
  "read-write",
  "holding",
  "read-only",
  "unavailable",
  "stopping",
] as const;
export type ServerState = (typeof serverStates)[number];

/** The role that a server plays now: its name, or `acting-primary` after its database was promoted. */
export type ServerRole = ServerName | "acting-primary";

export interface Health {
  readonly server: ServerName;
  readonly role: ServerRole;
  readonly state: ServerState;
  /** The database that it uses: the writable one if it may write there, else the one that it reads. */
  readonly database: DatabaseName | null;
  readonly databaseRole: "primary" | "standby" | null;
  readonly timeline: number | null;
  /** Milliseconds since the epoch; null when no database has been observed. */
  readonly observedAt: number | null;
}

export interface HealthInput {
  readonly server: ServerName;
  readonly state: ClusterState;
  /** Schema and key have been found in order. */
  readonly ready: boolean;
  readonly stopping: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly writeHoldSeconds: number;
}

/** What this server can do, from what was observed. Pure, and asks nobody. */
export function assess(input: HealthInput): Health {
  const { server, state } = input;
  const { writable, readable } = state.choice;
  const mayWrite = writable !== null && (server !== "read-only" || writable === "read-only");
  const holding = !mayWrite && isHolding(input);
  const current: ServerState = input.stopping
    ? "stopping"
    : !input.ready
      ? "starting"
      : mayWrite
        ? "read-write"
        : holding
          ? "holding"
          : readable !== null
            ? "read-only"
            : "unavailable";
  const database = mayWrite ? writable : readable;
  const view = state.views.find(({ name }) => name === database);
  const role = view === undefined ? "unknown" : databaseRole(view);
  const acting = server === "read-only" && (mayWrite || holding);
  return {
    server,
    role: acting ? "acting-primary" : server,
    state: current,
    database,
    databaseRole: role === "unknown" ? null : role,
    timeline: view?.timeline ?? null,
    observedAt: view?.observedAt ?? latest(state),
  };
}

/** A writable database was there until a moment ago: writes wait for the next one. */
function isHolding({ server, state, now, writeHoldSeconds }: HealthInput): boolean {
  if (server === "read-only" && state.choice.writable !== null) return false;
  return [...state.writableSeenAt].some(
    ([name, seenAt]) =>
      (server !== "read-only" || name === "read-only") && now - seenAt <= writeHoldSeconds * 1000,
  );
}

function latest(state: ClusterState): number | null {
  const times = state.views.flatMap(({ observedAt }) => (observedAt === null ? [] : [observedAt]));
  return times.length === 0 ? null : Math.max(...times);
}

/** The health endpoints. Each answers 200 or 503, the same for GET and HEAD. */
export const healthPaths = [
  "/healthz",
  "/read-write",
  "/read",
  "/primary",
  "/secondary",
  "/read-only",
  "/acting-primary",
] as const;
export type HealthPath = (typeof healthPaths)[number];

const writes: ReadonlySet<ServerState> = new Set(["read-write", "holding"]);
const reads: ReadonlySet<ServerState> = new Set(["read-write", "holding", "read-only"]);

/** The truth table of docs/server-endpoints.md. */
export function healthStatus(path: HealthPath, health: Pick<Health, "server" | "role" | "state">): 200 | 503 {
  const { server, role, state } = health;
  const holds: Record<HealthPath, boolean> = {
    "/healthz": true,
    "/read-write": writes.has(state),
    "/read": reads.has(state),
    "/primary": server === "primary" && writes.has(state),
    "/secondary": server === "secondary" && writes.has(state),
    "/read-only": server === "read-only" && reads.has(state),
    "/acting-primary": role === "acting-primary" && writes.has(state),
  };
  return holds[path] ? 200 : 503;
}
