import type { DatabaseObservation, Observation, PostgresObservation } from "../observation.ts";
import type { DatabaseName } from "../vocabulary.ts";

/** One database as the planner sees it: what was observed, and for what was not, the worst case. */
export interface DatabaseView {
  readonly name: DatabaseName;
  readonly observed: DatabaseObservation;
  /**
   * - `writable`, `standby`: PostgreSQL answers and says so
   * - `closed`: the node's entrypoint runs and keeps PostgreSQL from running
   * - `silent`: the container runs, PostgreSQL does not answer, the entrypoint does not say that it is closed
   * - `stopped`, `missing`: the engine says so
   * - `unreachable`: nobody can say
   */
  readonly state: "writable" | "standby" | "closed" | "silent" | "stopped" | "missing" | "unreachable";
  readonly postgres?: PostgresObservation;
}

/** States in which a database certainly accepts no write now. */
export const notRunning: readonly DatabaseView["state"][] = ["closed", "stopped", "missing"];

/** The planner's view of a database of the observation; undefined where the model has none of that name. */
export function viewOf(observation: Observation, name: DatabaseName): DatabaseView | undefined {
  const observed = observation.databases.find((database) => database.name === name);
  if (!observed) return undefined;
  if (observed.postgres.known)
    return {
      name,
      observed,
      state: observed.postgres.value.inRecovery ? "standby" : "writable",
      postgres: observed.postgres.value,
    };
  return { name, observed, state: silentState(observed) };
}

function silentState(observed: DatabaseObservation): DatabaseView["state"] {
  if (!observed.container.known) return "unreachable";
  if (observed.container.value.state !== "running") return observed.container.value.state;
  const said = observed.nodeState.known ? observed.nodeState.value?.state : undefined;
  return said === "closed" || said === "waiting" || said === "copying" || said === "rejoining"
    ? "closed"
    : "silent";
}

/**
 * Databases that are on their way from one state to another, or hang: nobody can tell from one look. What is said of them
 * a moment later may be another thing.
 */
export function movingDatabases(observation: Observation): readonly DatabaseName[] {
  return observation.databases
    .map(({ name }) => viewOf(observation, name))
    .filter((view) => view !== undefined)
    .filter(
      (view) => view.state === "silent" || (view.state === "standby" && intendedRole(view) === "primary"),
    )
    .map(({ name }) => name);
}

/** The role that the database was told to be; undefined where it was not told or that cannot be read. */
export function intendedRole(view: DatabaseView): string | undefined {
  return view.observed.intent.known ? view.observed.intent.value?.role : undefined;
}

/** The database that this one was told to follow. */
export function intendedUpstream(view: DatabaseView): DatabaseName | undefined {
  const intent = view.observed.intent.known ? view.observed.intent.value : undefined;
  return intent?.role === "standby" ? intent.upstream : undefined;
}

/** The transition that gave the database its intent. */
export function intendedBy(view: DatabaseView): string | undefined {
  return view.observed.intent.known ? view.observed.intent.value?.transitionId : undefined;
}

/** Whether the database streams the timeline of `upstream` from it now, as both sides see it. */
export function follows(view: DatabaseView, upstream: DatabaseView): boolean {
  return (
    view.state === "standby" &&
    view.postgres?.streaming === true &&
    view.postgres.timeline === upstream.postgres?.timeline &&
    intendedUpstream(view) === upstream.name &&
    (upstream.postgres?.senders.some(
      ({ applicationName, state }) => applicationName === `${view.name}-database` && state === "streaming",
    ) ??
      false)
  );
}

/** The state of a database as half a sentence. */
export function describe(view: DatabaseView): string {
  const { name, observed } = view;
  switch (view.state) {
    case "writable":
      return `${name} accepts writes`;
    case "standby":
      return `${name} is a standby`;
    case "closed":
      return `${name} waits closed${observed.nodeState.known && observed.nodeState.value ? ` (${observed.nodeState.value.detail})` : ""}`;
    case "silent":
      return `${name} runs but does not answer`;
    case "stopped":
      return `the container of ${name} is stopped`;
    case "missing":
      return `the container of ${name} does not exist`;
    case "unreachable":
      return `${name} cannot be reached${observed.container.known ? "" : ` (${observed.container.reason})`}`;
  }
}
