import type { Loss } from "../../core/causes/index.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";

/** What was observed of one database, and when. Unknown is null, never a guess or an old value. */
export interface DatabaseView {
  readonly name: DatabaseName;
  readonly reachable: boolean;
  readonly inRecovery: boolean | null;
  /** Open for connections, but its default is read-only transactions: somebody has closed it to writes. */
  readonly closed: boolean | null;
  readonly timeline: number | null;
  /** PostgreSQL's system identifier: a 64-bit number, in decimal. */
  readonly systemId: string | null;
  /** Why it cannot be reached. */
  readonly problem: string | null;
  /** How it was lost. */
  readonly loss: Loss;
  /** Milliseconds since the epoch; null before the first observation. */
  readonly observedAt: number | null;
}

/** The view of a database that nobody has looked at yet. */
export function unseen(name: DatabaseName): DatabaseView {
  return {
    name,
    reachable: false,
    inRecovery: null,
    closed: null,
    timeline: null,
    systemId: null,
    problem: "not observed yet",
    loss: "other",
    observedAt: null,
  };
}

/** The view of a database that could not be reached at `observedAt`. */
export function unreachable(
  name: DatabaseName,
  problem: string,
  observedAt: number,
  loss: Loss = "other",
): DatabaseView {
  return { ...unseen(name), problem, loss, observedAt };
}

/** `primary` accepts (or would accept) writes, `standby` follows. */
export function databaseRole(view: DatabaseView): "primary" | "standby" | "unknown" {
  if (!view.reachable || view.inRecovery === null) return "unknown";
  return view.inRecovery ? "standby" : "primary";
}

/**
 * A function that tells the timeline a standby receives, and nothing else. The superuser makes it
 * (`security definer`), because the view that it reads shows nothing to an ordinary login.
 */
export const receivedTimelineFunction = "continuity.received_timeline()";

/** Answers whether this login may call `receivedTimelineFunction`. Asked once per connection. */
export const mayAskReceivedTimelineSql = `
select coalesce(has_function_privilege(to_regprocedure('${receivedTimelineFunction}'), 'execute')
            and has_schema_privilege('continuity', 'usage'), false) as allowed
where to_regnamespace('continuity') is not null`;

/**
 * One cheap statement, run a few times a second. An ordinary login may run all of it.
 *
 * Timeline of a primary: from the name of the WAL file that it writes, because the control file
 * lags until the checkpoint that follows a promotion. Timeline of a standby: the highest that its
 * WAL receiver or its control file knows; the control file lags until the next restartpoint.
 *
 * @param received the expression that gives the WAL receiver's timeline, or null.
 */
export function observeSql(received: typeof receivedTimelineFunction | "null"): string {
  return `
with node as materialized (select pg_is_in_recovery() as in_recovery)
select in_recovery,
       current_setting('default_transaction_read_only') = 'on' as closed,
       (select system_identifier::text from pg_control_system()) as system_id,
       case when in_recovery
         then greatest((select timeline_id from pg_control_checkpoint()),
                       (select min_recovery_end_timeline from pg_control_recovery()),
                       ${received}::int)
         else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
       end as timeline
from node`;
}

/** The row that `observeSql` answers. */
export interface ObservedRow {
  readonly in_recovery: boolean;
  readonly closed: boolean;
  readonly system_id: string;
  readonly timeline: number;
}

export function viewOf(name: DatabaseName, row: ObservedRow, observedAt: number): DatabaseView {
  return {
    name,
    reachable: true,
    inRecovery: row.in_recovery,
    closed: row.closed,
    timeline: row.timeline,
    systemId: row.system_id,
    problem: null,
    loss: "none",
    observedAt,
  };
}
