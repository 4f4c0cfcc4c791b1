import { type Intent, intentSchema } from "../../core/intent.ts";
import { known, type LogicalSlotObservation, type Observed, unknown } from "../../core/observation.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";

/** More of a database than the choice needs, looked at once a second; for people. Of one moment. */
export interface DatabaseDetail {
  readonly name: DatabaseName;
  readonly inRecovery: boolean;
  /** Written (primary) or replayed (standby) up to here. */
  readonly lsn: string;
  /** A standby: received up to here; null on a primary. */
  readonly receivedLsn: string | null;
  readonly replayPaused: boolean;
  /** A standby: whether it receives WAL by streaming now. */
  readonly streaming: boolean;
  /** Whether its commits wait for a standby, or would if it were writable. */
  readonly synchronous: boolean;
  /** Commits of the application that wait for a standby now. */
  readonly waitingCommits: number;
  readonly startedAt: string;
  readonly version: string;
  readonly slots: readonly SlotDetail[];
  readonly logicalSlots: readonly LogicalSlotObservation[];
  /** What its node was told to be; unknown where this login may not ask. */
  readonly intent: Observed<Intent | undefined>;
  /** Who follows it; null where this login may not ask. */
  readonly senders: readonly SenderDetail[] | null;
  /** Servers that use it now, by the name of their connections: `STACK/SERVER`. */
  readonly sessions: readonly string[];
  readonly transition: { readonly holder: string; readonly since: string } | null;
  /** Milliseconds since the epoch. */
  readonly observedAt: number;
}

export interface SenderDetail {
  readonly name: string;
  readonly state: string;
  readonly syncState: string;
}

export interface SlotDetail {
  readonly name: string;
  readonly active: boolean;
  readonly walStatus: string | null;
  readonly retainedBytes: number | null;
}

/** A connection counts as used now when it did something within so long: every server looks 4 times a second. */
export const recentSeconds = 2;

/** The row that `detailSql` answers. */
export interface DetailRow {
  readonly in_recovery: boolean;
  readonly lsn: string;
  readonly received_lsn: string | null;
  readonly replay_paused: boolean;
  readonly streaming: boolean;
  readonly synchronous: boolean;
  readonly waiting_commits: number;
  readonly started_at: Date;
  readonly version: string;
  readonly slots: readonly SlotDetail[];
  readonly logical_slots: readonly LogicalSlotObservation[];
  readonly sessions: readonly string[];
  readonly more: {
    readonly senders: readonly SenderDetail[];
    readonly transition: DatabaseDetail["transition"];
    /** The text of the file; null where the node was never told; missing where the function is of a version before. */
    readonly intent?: string | null;
  } | null;
}

/**
 * A function that tells what an ordinary login does not see: who follows, which transition runs, what the node was told
 * to be. Made by the superuser (`core/render/roles.ts`).
 */
export const observationFunction = "continuity.observation()";

/** Answers whether this login may call `observationFunction`. Asked once per connection. */
export const mayAskObservationSql = `
select coalesce(has_function_privilege(to_regprocedure('${observationFunction}'), 'execute')
            and has_schema_privilege('continuity', 'usage'), false) as allowed
where to_regnamespace('continuity') is not null`;

/** @param more the expression that gives senders, transition and intent, or null. */
export function detailSql(more: typeof observationFunction | "null"): string {
  return `
select r.in_recovery,
  case when r.in_recovery then coalesce(pg_last_wal_replay_lsn(), '0/0') else pg_current_wal_lsn() end::text as lsn,
  case when r.in_recovery then pg_last_wal_receive_lsn() end::text as received_lsn,
  case when r.in_recovery then pg_is_wal_replay_paused() else false end as replay_paused,
  exists (select from pg_stat_wal_receiver) as streaming,
  current_setting('synchronous_standby_names') <> '' as synchronous,
  (select count(*)::int from pg_stat_activity where wait_event = 'SyncRep') as waiting_commits,
  pg_postmaster_start_time() as started_at,
  current_setting('server_version') as version,
  coalesce((select json_agg(json_build_object('name', slot_name, 'active', active, 'walStatus', wal_status,
      'retainedBytes', pg_wal_lsn_diff(
        case when r.in_recovery then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn)::bigint)
      order by slot_name)
    from pg_replication_slots where slot_type = 'physical'), '[]') as slots,
  coalesce((select json_agg(json_build_object('name', slot_name, 'failover', failover,
      'ready', synced and not temporary and invalidation_reason is null) order by slot_name)
    from pg_replication_slots where slot_type = 'logical'), '[]') as logical_slots,
  coalesce((select json_agg(distinct application_name) from pg_stat_activity
    where usename = current_user and state_change > clock_timestamp() - interval '${recentSeconds} s'), '[]') as sessions,
  ${more} as more
from (select pg_is_in_recovery() as in_recovery) r`;
}

export function detailOf(name: DatabaseName, row: DetailRow, observedAt: number): DatabaseDetail {
  return {
    name,
    inRecovery: row.in_recovery,
    lsn: row.lsn,
    receivedLsn: row.received_lsn,
    replayPaused: row.replay_paused,
    streaming: row.streaming,
    synchronous: row.synchronous,
    waitingCommits: row.waiting_commits,
    startedAt: row.started_at.toISOString(),
    version: row.version.split(" ", 1)[0] ?? row.version,
    slots: row.slots,
    logicalSlots: row.logical_slots,
    intent: intentOf(row.more?.intent),
    senders: row.more?.senders ?? null,
    sessions: row.sessions,
    transition: row.more?.transition ?? null,
    observedAt,
  };
}

function intentOf(text: string | null | undefined): Observed<Intent | undefined> {
  if (text === undefined) return unknown("this server may not ask");
  try {
    return known(text === null ? undefined : intentSchema.parse(JSON.parse(text)));
  } catch (error) {
    return unknown(`its intent cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
}
