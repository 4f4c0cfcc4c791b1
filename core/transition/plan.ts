import type { Observation } from "../observation.ts";
import { type Plan, refuse } from "./planTypes.ts";
import { planPromotion } from "./promotion.ts";
import { expectedRejoin, isWalGone } from "./rejoin.ts";
import type { Goal, Step } from "./step.ts";
import { endsInOrder, planSwitchOver } from "./switchOver.ts";
import { type DatabaseView, describe, follows, intendedBy, intendedRole, viewOf } from "./view.ts";

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
  if (other.state === "writable") {
    // Only the read-only one has a transition of its own for that.
    const hasToBeCopied = goal.transition === "restore" && isWalGone(target, other);
    return target.state === "standby" && !hasToBeCopied
      ? planSwitchOver(target, other)
      : planReturn(target, other, goal);
  }
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
    else steps.push(followStep(other, target));
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

function followStep(view: DatabaseView, upstream: DatabaseView): Step {
  const expected = expectedRejoin(view, upstream);
  return { kind: "follow", database: view.name, upstream: upstream.name, expected };
}

/** I1 is broken already: the one on the lower timeline was superseded, and is closed. */
function planTwoWritable(target: DatabaseView, other: DatabaseView): Plan {
  const targetTimeline = target.postgres?.timeline ?? 0;
  const otherTimeline = other.postgres?.timeline ?? 0;
  if (targetTimeline > otherTimeline)
    return {
      steps: [{ kind: "fence", database: other.name, follows: target.name }, followStep(other, target)],
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
      followStep(target, other),
      { kind: "switch-over", from: other.name, to: target.name },
      {
        kind: "follow",
        database: other.name,
        upstream: target.name,
        expected: endsInOrder(target.name),
      },
    ],
    refused: [],
    warnings: [],
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
  if (!done && other.postgres?.synchronous)
    return refuse(
      `replication is synchronous: writes on ${other.name} would wait as long as the copy takes`,
      'Let them go on meanwhile: "pulumi config set synchronous false && pulumi up". Set it to true again afterwards.',
    );
  return {
    steps: done ? [] : [{ kind: "copy", database: target.name, upstream: other.name }],
    refused: [],
    warnings: [],
  };
}

function differentData(a: DatabaseView, b: DatabaseView): Plan | undefined {
  if (!a.postgres || !b.postgres || a.postgres.systemId === b.postgres.systemId) return undefined;
  return refuse(
    `${a.name} and ${b.name} have different system identifiers (${a.postgres.systemId}, ${b.postgres.systemId}): they hold different data`,
    `Find out which data counts. The other database is made again by "pulumi config set transition rebuild" once its data folder is out of the way.`,
  );
}
