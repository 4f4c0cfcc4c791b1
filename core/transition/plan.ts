import { lsnDistance, parseLsn } from "../lsn.ts";
import type { Observation, PostgresObservation } from "../observation.ts";
import type { DatabaseName } from "../vocabulary.ts";
import type { Goal, Step } from "./step.ts";
import {
  type DatabaseView,
  follows,
  intendedBy,
  intendedRole,
  intendedUpstream,
  notRunning,
  viewOf,
} from "./view.ts";

/** Why a transition cannot run now, and what a person can do. */
export interface Refusal {
  readonly reason: string;
  readonly remedy: string;
}

/** What is to be done, or why it must not be. */
export interface Plan {
  /** Empty: the goal is reached. */
  readonly steps: readonly Step[];
  readonly refused: readonly Refusal[];
  /** What a person should know, though it stops nothing. */
  readonly warnings: readonly string[];
}

/** A standby further behind than this, in bytes, is not promoted in a planned way: writes would wait too long. */
export const planningLagLimit = 16 * 1024 * 1024;

/**
 * The steps from what is observed to the goal. A pure function: the driver runs the first step, observes again and
 * asks again, the preview shows the same list. What could not be observed counts as the worst case.
 */
export function plan(observation: Observation, goal: Goal): Plan {
  const shared = viewOf(observation, "shared");
  const readOnly = viewOf(observation, "read-only");
  if (!shared || !readOnly)
    return refuse(
      "this model has only one database: there is nothing to promote, restore or rebuild",
      "Choose the model full or read-only first.",
    );
  const mixed = differentData(shared, readOnly);
  if (mixed) return mixed;
  const seenTimeline = highestTimeline(observation);
  switch (goal.transition) {
    case "promote":
      return planSwap(readOnly, shared, goal, seenTimeline);
    case "restore":
      return planSwap(shared, readOnly, goal, seenTimeline);
    case "rebuild":
      return planRebuild(readOnly, shared, goal);
  }
}

/**
 * The highest timeline that any database is on or any server remembers. A standby that was cut off may not know of a
 * promotion elsewhere, and would give the same number again.
 */
function highestTimeline(observation: Observation): number {
  const databases = observation.databases.flatMap(({ postgres, stop }) => [
    postgres.known ? postgres.value.timeline : 0,
    stop.known ? (stop.value?.timeline ?? 0) : 0,
  ]);
  const servers = observation.servers.map(({ witness }) =>
    witness.known ? (witness.value.highestTimeline ?? 0) : 0,
  );
  return Math.max(0, ...databases, ...servers);
}

/** Makes `target` the writable database and lets `other` follow it. */
function planSwap(target: DatabaseView, other: DatabaseView, goal: Goal, seenTimeline: number): Plan {
  if (target.state === "writable") return planAfterSwap(target, other, goal);
  if (other.state === "writable")
    return target.state === "standby" ? planSwitchOver(target, other) : planReturn(target, other, goal);
  if (target.state === "standby") return planPromotion(target, other, goal, seenTimeline);
  return refuse(
    `neither database can be made the writable one: ${describe(target)}, ${describe(other)}`,
    `Start one of them; a database that waits closed says in its log how a person overrides.`,
  );
}

/** The target is writable: what is left is to make that lasting and to let the other one follow. */
function planAfterSwap(target: DatabaseView, other: DatabaseView, goal: Goal): Plan {
  if (other.state === "writable") return planTwoWritable(target, other);
  const steps: Step[] = [];
  if (intendedRole(target) !== "primary") steps.push({ kind: "record-intent", database: target.name });
  const warnings: string[] = [];
  if (!follows(other, target)) {
    if (other.state === "unreachable" || other.state === "missing")
      warnings.push(`${describe(other)}: the deployment runs on one database until it is back`);
    else steps.push({ kind: "follow", database: other.name, upstream: target.name });
  }
  if (steps.length > 0 || intendedBy(target) === goal.transitionId) return { steps, refused: [], warnings };
  if (goal.transition === "restore")
    return refuse(
      "the shared database is the writable one already: nothing was promoted, so there is nothing to restore",
      'Set the transition to none: "pulumi config set transition none".',
    );
  return refuse(
    `the read-only database is the writable one already${intendedBy(target) ? ` (transition ${intendedBy(target)})` : ""}`,
    'To go back to the shared one: "pulumi config set transition restore".',
  );
}

/** I1 is broken already: the one on the lower timeline was superseded, and is closed. */
function planTwoWritable(target: DatabaseView, other: DatabaseView): Plan {
  const targetTimeline = target.postgres?.timeline ?? 0;
  const otherTimeline = other.postgres?.timeline ?? 0;
  if (targetTimeline > otherTimeline)
    return {
      steps: [
        { kind: "fence", database: other.name, follows: target.name },
        { kind: "follow", database: other.name, upstream: target.name },
      ],
      refused: [],
      warnings: [
        `both databases accept writes; ${other.name} is on the lower timeline ${otherTimeline} and is closed`,
      ],
    };
  return refuse(
    `both databases accept writes, and ${target.name} (timeline ${targetTimeline}) is not the newer one (${other.name}: timeline ${otherTimeline})`,
    `Decide which data counts, stop the other container (docker stop) and keep its volume.`,
  );
}

/** Planned: both run, the target follows. */
function planSwitchOver(target: DatabaseView, other: DatabaseView): Plan {
  const standby = target.postgres;
  const primary = other.postgres;
  if (!standby || !primary) throw new Error("a running database without an observation");
  const refused: Refusal[] = [];
  if (intendedUpstream(target) !== other.name)
    refused.push({
      reason: `${target.name} was not told to follow ${other.name}`,
      remedy: `Look at its intent; "npm run status" shows it.`,
    });
  if (standby.timeline !== primary.timeline)
    refused.push({
      reason: `${target.name} is on timeline ${standby.timeline}, ${other.name} on ${primary.timeline}`,
      remedy: `Let it follow again, or rebuild it: "pulumi config set transition rebuild".`,
    });
  if (standby.replayPaused)
    refused.push({
      reason: `replay is paused on ${target.name}`,
      remedy: `Resume it there: SELECT pg_wal_replay_resume();`,
    });
  if (!follows(target, other))
    refused.push({
      reason: `${target.name} does not stream from ${other.name}`,
      remedy: `See "npm run status" for the cause; a lost slot needs "pulumi config set transition rebuild".`,
    });
  const logical = logicalSlots(primary, standby);
  for (const name of logical.notReady)
    refused.push({
      reason: `the logical slot ${name} is marked failover, but not ready on ${target.name} yet: its subscriber would lose its place`,
      remedy: "Wait until it is synchronised, or drop the slot if nobody needs it.",
    });
  const behind = lsnDistance(primary.lsn, standby.lsn);
  if (behind > planningLagLimit)
    refused.push({
      reason: `${target.name} is ${behind} bytes behind ${other.name} (limit ${planningLagLimit})`,
      remedy: "Wait until it has caught up, and try again.",
    });
  if (refused.length > 0) return { steps: [], refused, warnings: [] };
  return {
    steps: [
      { kind: "switch-over", from: other.name, to: target.name },
      { kind: "follow", database: other.name, upstream: target.name },
    ],
    refused: [],
    warnings: logical.lost.map(
      (name) =>
        `the logical slot ${name} is not marked failover: it does not come along, its subscriber must be set up again`,
    ),
  };
}

/**
 * Which logical slots of the primary would not be usable after the promotion: the check of PostgreSQL's documentation,
 * 29.3. `lost` were never meant to come along, `notReady` were.
 */
function logicalSlots(
  primary: PostgresObservation,
  standby: PostgresObservation,
): { lost: string[]; notReady: string[] } {
  const ready = new Set(standby.logicalSlots.filter((slot) => slot.ready).map(({ name }) => name));
  return {
    lost: primary.logicalSlots.filter(({ failover }) => !failover).map(({ name }) => name),
    notReady: primary.logicalSlots
      .filter(({ name, failover }) => failover && !ready.has(name))
      .map(({ name }) => name),
  };
}

/** The other one is writable, the target does not run as its standby: it is brought back first, where that is the goal. */
function planReturn(target: DatabaseView, other: DatabaseView, goal: Goal): Plan {
  if (goal.transition === "promote")
    return refuse(
      `${describe(target)}, so it cannot be promoted`,
      `Start it and let it stream, or rebuild it: "pulumi config set transition rebuild".`,
    );
  if (target.state === "unreachable")
    return refuse(`${describe(target)}`, "Make its Docker host reachable from here, and try again.");
  if (target.state === "missing")
    return refuse(
      `${describe(target)}`,
      'Let Pulumi make it again: "pulumi up --refresh" with the transition set to none.',
    );
  return {
    steps: [
      { kind: "follow", database: target.name, upstream: other.name },
      { kind: "switch-over", from: other.name, to: target.name },
      { kind: "follow", database: other.name, upstream: target.name },
    ],
    refused: [],
    warnings: [],
  };
}

/** Nobody accepts writes and the target is a standby: the end of an interrupted switch-over, or an emergency. */
function planPromotion(target: DatabaseView, other: DatabaseView, goal: Goal, seenTimeline: number): Plan {
  const standby = target.postgres;
  if (!standby) throw new Error("a standby without an observation");
  if (standby.replayPaused)
    return refuse(`replay is paused on ${target.name}`, "Resume it there: SELECT pg_wal_replay_resume();");
  if (other.state === "standby" && intendedRole(other) === "primary")
    return refuse(
      `${other.name} was told to be the primary and is opening`,
      "Wait until it is writable or says why not, and try again.",
    );
  const steps: Step[] = [];
  const closedForGood = isClosedForGood(other, target.name);
  if (!closedForGood && other.state !== "unreachable" && other.state !== "missing")
    steps.push({ kind: "fence", database: other.name, follows: target.name });
  const last = lastPositionOf(other);
  const lossless = last !== undefined && last.timeline === standby.timeline;
  // Behind a standby that answers, the missing WAL can still come; behind one that is gone it cannot.
  const hasAll =
    lossless &&
    (last.exclusive
      ? parseLsn(standby.lsn) > parseLsn(last.lsn)
      : parseLsn(standby.lsn) >= parseLsn(last.lsn));
  const reachable = lossless && (hasAll || (other.state === "standby" && standby.streaming));
  const follow: Step[] =
    other.state === "unreachable" || other.state === "missing"
      ? []
      : [{ kind: "follow", database: other.name, upstream: target.name }];
  if (reachable)
    return {
      steps: [
        ...steps,
        {
          kind: "promote",
          database: target.name,
          seenTimeline,
          replayed: last.exclusive ? last.lsn : null,
          proof: "lossless",
        },
        ...follow,
      ],
      refused: [],
      warnings: [],
    };

  const refused: Refusal[] = [];
  const position = `${target.name} has replayed up to ${standby.lsn} on timeline ${standby.timeline}${standby.receivedLsn ? ` and received up to ${standby.receivedLsn}` : ""}`;
  const loss = `writes that ${other.name} acknowledged after that and did not send are lost`;
  if (other.state === "unreachable" && !goal.primaryIsDown)
    refused.push({
      reason: `${describe(other)}, so it cannot be fenced: it may still accept writes`,
      remedy: `Switch it off, then say so for this transition: "pulumi config set primaryIsDown ${goal.transitionId}".`,
    });
  if (!goal.allowDataLoss)
    refused.push({
      reason: `${describe(other)}, so zero loss cannot be proved: ${position}; ${loss}`,
      remedy: `Start ${other.name} again if you can, or accept the loss for this transition: "pulumi config set allowDataLoss ${goal.transitionId}".`,
    });
  if (refused.length > 0) return { steps: [], refused, warnings: [] };
  return {
    steps: [
      ...steps,
      { kind: "promote", database: target.name, seenTimeline, replayed: null, proof: "possible loss" },
      ...follow,
    ],
    refused: [],
    warnings: [`${position}; ${loss}`],
  };
}

/** From scratch, while everything else serves. */
function planRebuild(target: DatabaseView, other: DatabaseView, goal: Goal): Plan {
  if (target.state === "writable")
    return refuse(
      "the read-only database is the writable one: rebuilding it would throw the only current data away",
      'Go back to the shared one first: "pulumi config set transition restore".',
    );
  if (other.state !== "writable")
    return refuse(
      `${describe(other)}: there is nothing to copy from`,
      "Start the shared database, or promote the read-only one.",
    );
  if (target.state === "unreachable" || target.state === "missing")
    return refuse(
      describe(target),
      'Make it reachable; a container that is gone is made again by "pulumi up --refresh".',
    );
  const done = intendedBy(target) === goal.transitionId && follows(target, other);
  return {
    steps: done ? [] : [{ kind: "copy", database: target.name, upstream: other.name }],
    refused: [],
    warnings: [],
  };
}

/** Whether a database neither accepts writes nor will when it is started: it was told to follow, and does not run writable. */
function isClosedForGood(view: DatabaseView, upstream: DatabaseName): boolean {
  const told = intendedRole(view) === "fenced" || intendedUpstream(view) === upstream;
  return told && (view.state === "standby" || notRunning.includes(view.state));
}

/**
 * The last position of a database that accepts no more writes, where it is certain: a running standby's own replay
 * position, or the shutdown checkpoint of one that was stopped in order (a record that must be replayed as a whole:
 * exclusive).
 */
function lastPositionOf(
  view: DatabaseView,
): { lsn: string; timeline: number; exclusive: boolean } | undefined {
  if (view.state === "standby" && view.postgres) {
    const received = view.postgres.receivedLsn;
    const lsn = received && parseLsn(received) > parseLsn(view.postgres.lsn) ? received : view.postgres.lsn;
    return { lsn, timeline: view.postgres.timeline, exclusive: false };
  }
  if (!notRunning.includes(view.state) || !view.observed.stop.known) return undefined;
  const stop = view.observed.stop.value;
  if (stop?.state !== "shut down") return undefined;
  return { lsn: stop.lsn, timeline: stop.timeline, exclusive: true };
}

function differentData(a: DatabaseView, b: DatabaseView): Plan | undefined {
  if (!a.postgres || !b.postgres || a.postgres.systemId === b.postgres.systemId) return undefined;
  return refuse(
    `${a.name} and ${b.name} have different system identifiers (${a.postgres.systemId}, ${b.postgres.systemId}): they hold different data`,
    `Find out which data counts. The other database is made again by "pulumi config set transition rebuild" once its data folder is out of the way.`,
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

function refuse(reason: string, remedy: string): Plan {
  return { steps: [], refused: [{ reason, remedy }], warnings: [] };
}
