import type {
  DatabaseObservation,
  Observation,
  Observed,
  PostgresObservation,
  StopObservation,
} from "../observation.ts";
import { known } from "../observation.ts";
import { type DatabaseName, slotName } from "../vocabulary.ts";
import { plan } from "./plan.ts";
import type { Plan } from "./planTypes.ts";
import type { Goal } from "./step.ts";

/** What can be said of a transition by somebody who does not see everything that a preview sees. */
export interface Outlook {
  /** Only said where it holds whatever the unseen is; else `unknown`. */
  readonly verdict: "can run" | "refused" | "nothing to do" | "unknown";
  /** What the planner answers to what is seen; the unseen counts as the worst. */
  readonly plan: Plan;
  /** What a verdict would need; empty where there is one. */
  readonly unseen: readonly string[];
}

/**
 * The verdict of the planner on every case that fits what is seen. One judge: it is asked again for each case, and where
 * its answers differ, nothing is said. Pure.
 *
 * @param isEraUnknown whether replication is meant to be synchronous, and whoever asks does not know the present era
 */
export function outlookOn(observation: Observation, goal: Goal, isEraUnknown = false): Outlook {
  const asSeen = plan(observation, goal);
  const unknown: Outlook = { verdict: "unknown", plan: asSeen, unseen: unseenIn(observation) };
  if (observation.databases.every(({ postgres }) => !postgres.known)) return unknown;
  const verdicts = new Set(
    cases(observation).flatMap((one) => {
      const judged = [plan(one, goal)];
      if (isEraUnknown) judged.push(plan(ofEra(one, "present"), { ...goal, synchronousEra: "present" }));
      return judged.map(verdictOf);
    }),
  );
  const [verdict] = verdicts;
  return verdict === undefined || verdicts.size > 1 ? unknown : { verdict, plan: asSeen, unseen: [] };
}

function verdictOf({ steps, refused }: Plan): Exclude<Outlook["verdict"], "unknown"> {
  if (refused.length > 0) return "refused";
  return steps.length > 0 ? "can run" : "nothing to do";
}

function unseenIn(observation: Observation): readonly string[] {
  return observation.databases.flatMap(({ name, container, intent, postgres }) => {
    if (!postgres.known && !container.known)
      return [`whether ${name} runs, and how it ended if it does not (${postgres.reason})`];
    if (!intent.known) return [`what ${name} was told to be (${intent.reason})`];
    return [];
  });
}

/** Every observation that would fit what was seen, as far as the planner tells them apart. */
function cases(observation: Observation): readonly Observation[] {
  return observation.databases.reduce<readonly Observation[]>(
    (all, database) =>
      all.flatMap((one) => {
        const other = one.databases.find(({ name }) => name !== database.name);
        return casesOf(database, other).map((is) => ({
          ...one,
          databases: one.databases.map((each) => (each.name === database.name ? is : each)),
        }));
      }),
    [observation],
  );
}

function casesOf(
  database: DatabaseObservation,
  other: DatabaseObservation | undefined,
): readonly DatabaseObservation[] {
  const told = toldCases(database, other?.name);
  if (database.postgres.known) return told.map((intent) => ({ ...database, intent }));
  return told.flatMap((intent) =>
    [...downCases(database, other), ...answeringCases(database, other)].map((is) => ({ ...is, intent })),
  );
}

function toldCases(
  { intent }: DatabaseObservation,
  upstream: DatabaseName | undefined,
): readonly DatabaseObservation["intent"][] {
  if (intent.known) return [intent];
  const common = { version: 1, transitionId: "", writtenAt: "" } as const;
  return [
    intent,
    known(undefined),
    known({ ...common, role: "primary" }),
    known({ ...common, role: "fenced" }),
    ...(upstream === undefined ? [] : [known({ ...common, role: "standby" as const, upstream })]),
  ];
}

/** It does not answer anybody: gone, silent, closed or stopped; in order, or not. */
function downCases(
  database: DatabaseObservation,
  other: DatabaseObservation | undefined,
): readonly DatabaseObservation[] {
  const { container, nodeState, stop } = database;
  const timeline = other?.postgres.known ? other.postgres.value.timeline : 1;
  const inOrder: StopObservation = { state: "shut down", lsn: "0/0", timeline };
  const stops: readonly Observed<StopObservation | undefined>[] = stop.known
    ? [stop]
    : [stop, known(undefined), known(inOrder)];
  const containers: readonly DatabaseObservation["container"][] = container.known
    ? [container]
    : [container, ...(["running", "stopped", "missing"] as const).map((state) => known({ state }))];
  const nodeStates: readonly DatabaseObservation["nodeState"][] = nodeState.known
    ? [nodeState]
    : [nodeState, known({ state: "closed", detail: "", since: "" })];
  return containers.flatMap((is) =>
    nodeStates.flatMap((says) =>
      stops.map((left) => ({ ...database, container: is, nodeState: says, stop: left })),
    ),
  );
}

/** It answers others, and only whoever looks from here does not reach it. */
function answeringCases(
  database: DatabaseObservation,
  other: DatabaseObservation | undefined,
): readonly DatabaseObservation[] {
  const { container } = database;
  if (container.known && container.value.state !== "running") return [];
  if (!other?.postgres.known) return [];
  const its = other.postgres.value;
  const follower: PostgresObservation = {
    ...its,
    inRecovery: true,
    streaming: true,
    receivedLsn: its.lsn,
    replayPaused: false,
    logicalSlots: its.logicalSlots.map((slot) => ({ ...slot, ready: true })),
    senders: [],
  };
  const writable: PostgresObservation = {
    ...its,
    inRecovery: false,
    streaming: false,
    receivedLsn: null,
    senders: [
      {
        applicationName: `${other.name}-database`,
        state: "streaming",
        syncState: "async",
        replayLsn: its.lsn,
        lagSeconds: null,
        encrypted: true,
      },
    ],
  };
  const stranger: PostgresObservation = { ...writable, systemId: "another" };
  const newer: PostgresObservation = { ...writable, timeline: its.timeline + 1 };
  const older: PostgresObservation = { ...writable, timeline: its.timeline - 1 };
  const lost = { name: slotName(other.name), active: false, walStatus: "lost", retainedBytes: null };
  const withoutWal: PostgresObservation = { ...writable, senders: [], slots: [lost] };
  return [follower, writable, withoutWal, newer, older, stranger].map((is) => ({
    ...database,
    postgres: known(is),
  }));
}

/** As if every standby had the present era of synchronous replication. */
function ofEra(observation: Observation, synchronousEra: string): Observation {
  return {
    ...observation,
    databases: observation.databases.map((database) =>
      database.postgres.known
        ? { ...database, postgres: known({ ...database.postgres.value, synchronousEra }) }
        : database,
    ),
  };
}
