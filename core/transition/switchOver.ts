import { lsnDistance } from "../lsn.ts";
import type { PostgresObservation } from "../observation.ts";
import type { DatabaseName } from "../vocabulary.ts";
import type { Plan, Refusal } from "./planTypes.ts";
import type { Rejoin } from "./rejoin.ts";
import { type DatabaseView, follows, intendedUpstream } from "./view.ts";

/** A standby further behind than this, in bytes, is not promoted in a planned way: writes would wait too long. */
export const planningLagLimit = 16 * 1024 * 1024;

/** What is expected of the old primary of a switch-over. */
export function endsInOrder(target: DatabaseName): Rejoin {
  return { method: "as-is", reason: `it ends in order, and ${target} has its last byte` };
}

/** Planned: both run, the target follows. */
export function planSwitchOver(target: DatabaseView, other: DatabaseView): Plan {
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
      {
        kind: "follow",
        database: other.name,
        upstream: target.name,
        expected: endsInOrder(target.name),
      },
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
