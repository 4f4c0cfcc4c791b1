import { lsnBefore, parseLsn } from "../lsn.ts";
import type { PostgresObservation } from "../observation.ts";
import type { DatabaseName } from "../vocabulary.ts";
import { type Plan, type Refusal, refuse } from "./planTypes.ts";
import { expectedRejoin, type Rejoin } from "./rejoin.ts";
import type { Goal, Step } from "./step.ts";
import { type DatabaseView, describe, intendedRole, intendedUpstream, notRunning } from "./view.ts";

/** Nobody accepts writes and the target is a standby: the end of an interrupted switch-over, or an emergency. */
export function planPromotion(
  target: DatabaseView,
  other: DatabaseView,
  goal: Goal,
  seenTimeline: number,
): Plan {
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
  const expected: Rejoin = reachable
    ? { method: "as-is", reason: `${target.name} has all that it wrote` }
    : expectedRejoin(other, target);
  const follow: Step[] =
    other.state === "unreachable" || other.state === "missing"
      ? []
      : [{ kind: "follow", database: other.name, upstream: target.name, expected }];
  if (reachable)
    return {
      steps: [
        ...steps,
        {
          kind: "promote",
          database: target.name,
          seenTimeline,
          replayed: last.exclusive ? last.lsn : missingFrom(other, hasAll),
          unsentFrom: null,
          proof: "lossless",
        },
        ...follow,
      ],
      refused: [],
      warnings: [],
    };

  // A replica that has the present era has everything that was acknowledged in it: who acknowledged waited for it.
  const confirmed = goal.synchronousEra !== undefined && standby.synchronousEra === goal.synchronousEra;
  const refused: Refusal[] = [];
  const isBehindStandby = lossless && other.state === "standby" && !confirmed;
  const position = `${target.name} has replayed up to ${standby.lsn} on timeline ${standby.timeline}${standby.receivedLsn ? ` and received up to ${standby.receivedLsn}` : ""}`;
  const unsentFrom = goal.readUnsentWal && !confirmed && hasReadableDisk(other) ? other.name : null;
  const loss = `writes that ${other.name} acknowledged after that and did not send are lost${unsentFrom ? ", unless its disk can be read, which is tried first" : ""}`;
  if (other.state === "unreachable" && !goal.primaryIsDown)
    refused.push({
      reason: `${describe(other)}, so it cannot be fenced: it may still accept writes`,
      remedy: `Switch it off, then say so for this transition: "pulumi config set primaryIsDown ${goal.transitionId}".`,
    });
  if (isBehindStandby)
    refused.push({
      reason: `${other.name} is a standby too, and has more: it is at ${last.lsn}, while ${position}`,
      remedy: `Promote ${other.name}: "pulumi config set transition ${goal.transition === "promote" ? "restore" : "promote"}". If it cannot be: stop its container, and try again.`,
    });
  else if (!goal.allowDataLoss && !confirmed)
    refused.push({
      reason: `${describe(other)}, so zero loss cannot be proved: ${position}; ${loss}`,
      remedy: `Start ${other.name} again if you can, or accept the loss for this transition: "pulumi config set allowDataLoss ${goal.transitionId}".`,
    });
  if (refused.length > 0) return { steps: [], refused, warnings: [] };
  return {
    steps: [
      ...steps,
      {
        kind: "promote",
        database: target.name,
        seenTimeline,
        replayed: null,
        unsentFrom,
        proof: confirmed ? "lossless" : "possible loss",
      },
      ...follow,
    ],
    refused: [],
    warnings: [
      confirmed
        ? `replication was synchronous: whatever ${other.name} acknowledged has reached ${target.name}`
        : `${position}; ${loss}`,
      ...waitingFor(standby, target, other, follow),
    ],
  };
}

/** Whether the engine has the container of a database that does not run as anything: its disk may be read. */
function hasReadableDisk({ state }: DatabaseView): boolean {
  return state === "stopped" || state === "closed" || state === "silent";
}

/** The position that a standby still has to come past to have all that the other standby has replayed; null for none. */
function missingFrom({ postgres }: DatabaseView, hasAll: boolean): string | null {
  return hasAll || !postgres ? null : lsnBefore(postgres.lsn);
}

/** Synchronous, and nobody who could follow: the new primary is open, but its writes wait. */
function waitingFor(
  standby: PostgresObservation,
  target: DatabaseView,
  other: DatabaseView,
  follow: readonly Step[],
): readonly string[] {
  if (!standby.synchronous || follow.length > 0) return [];
  return [
    `replication is synchronous: writes on ${target.name} wait until ${other.name} follows. To let them go on without it, afterwards: "pulumi config set synchronous false && pulumi up"`,
  ];
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
