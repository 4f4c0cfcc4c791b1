import pg from "pg";
import { z } from "zod";
import type { Password } from "../../core/credentials.ts";
import type { PostgresObservation } from "../../core/observation.ts";
import { eraParameter } from "../../core/render/era.ts";
import type { DatabaseNode } from "../../core/topology.ts";
import { transitionLockKey } from "../../core/vocabulary.ts";
import type { Queryable } from "./sharedConnection.ts";

/** PostgreSQL's word for a password that is not, or not yet, or no more the role's (28P01). */
const invalidPassword = "28P01";

/** How to reach a database from beside the engines: by its published port, its certificate verified. */
export interface DatabaseAccess {
  readonly ca: string;
  readonly user: string;
  readonly password: Password;
}

/**
 * Connects to a database node by its published port, over TLS, its certificate verified against the node's name.
 * Where several passwords are known, the one that is right. The caller ends the client.
 */
export async function connectDatabase(
  database: DatabaseNode,
  access: DatabaseAccess,
  databaseName = "postgres",
): Promise<pg.Client> {
  const passwords = [access.password].flat();
  for (const [index, password] of passwords.entries()) {
    try {
      return await connectWith(database, { ...access, password }, databaseName);
    } catch (error) {
      if (index === passwords.length - 1 || !isRefusedPassword(error)) throw error;
    }
  }
  throw new Error(`no password is known for ${access.user}`);
}

/** Whether a connection failed because the role has another password. */
export function isRefusedPassword(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === invalidPassword;
}

async function connectWith(
  database: DatabaseNode,
  access: DatabaseAccess & { readonly password: string },
  databaseName: string,
): Promise<pg.Client> {
  const client = new pg.Client({
    host: database.published.address,
    port: database.published.port,
    user: access.user,
    password: access.password,
    database: databaseName,
    application_name: "pg-continuity",
    connectionTimeoutMillis: 3000,
    query_timeout: 5000,
    ssl: { ca: access.ca, servername: database.node, minVersion: "TLSv1.2" },
  });
  // A connection that breaks later fails the next query, which says so; without a listener it would end the process.
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

const rowSchema = z.object({
  system_id: z.string(),
  in_recovery: z.boolean(),
  timeline: z.number(),
  lsn: z.string(),
  received_lsn: z.string().nullable(),
  replay_paused: z.boolean(),
  streaming: z.boolean(),
  synchronous: z.boolean(),
  waiting_commits: z.number(),
  synchronous_era: z.string().nullable(),
  started_at: z.date(),
  version: z.string(),
  slots: z.array(
    z.object({
      name: z.string(),
      active: z.boolean(),
      walStatus: z.string().nullable(),
      retainedBytes: z.number().nullable(),
    }),
  ),
  transition: z.object({ holder: z.string(), since: z.string() }).nullable(),
  logical_slots: z.array(z.object({ name: z.string(), failover: z.boolean(), ready: z.boolean() })),
  senders: z.array(
    z.object({
      applicationName: z.string(),
      state: z.string(),
      syncState: z.string(),
      replayLsn: z.string().nullable(),
      lagSeconds: z.number().nullable(),
      encrypted: z.boolean(),
    }),
  ),
});

/**
 * One statement, so that all of it is of one moment. The timeline of a primary comes from its WAL file name: right
 * after a promotion pg_control still holds the old one. That of a standby whose upstream has just gone comes from the
 * WAL segments that it holds: pg_control follows only at its next restart point.
 */
const question = `
SELECT s.system_identifier::text AS system_id, r.in_recovery,
  greatest(c.timeline_id, v.min_recovery_end_timeline, coalesce(w.received_tli, 0),
    coalesce((SELECT max(('x' || substr(name, 1, 8))::bit(32)::int) FROM pg_ls_waldir()
      WHERE r.in_recovery AND name ~ '^[0-9A-F]{24}$'), 0),
    CASE WHEN r.in_recovery THEN 0
         ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END) AS timeline,
  CASE WHEN r.in_recovery THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_lsn() END::text AS lsn,
  CASE WHEN r.in_recovery THEN pg_last_wal_receive_lsn() END::text AS received_lsn,
  CASE WHEN r.in_recovery THEN pg_is_wal_replay_paused() ELSE false END AS replay_paused,
  coalesce(w.status = 'streaming', false) AS streaming,
  current_setting('synchronous_standby_names') <> '' AS synchronous,
  (SELECT count(*)::int FROM pg_stat_activity WHERE wait_event = 'SyncRep') AS waiting_commits,
  (SELECT substr(one, length('${eraParameter}=') + 1) FROM pg_db_role_setting, unnest(setconfig) one
    WHERE one LIKE '${eraParameter}=%' LIMIT 1) AS synchronous_era,
  (SELECT json_build_object('holder', a.application_name, 'since', to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
    FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.objid = ${transitionLockKey} AND l.granted LIMIT 1) AS transition,
  pg_postmaster_start_time() AS started_at, current_setting('server_version') AS version,
  coalesce((SELECT json_agg(json_build_object('name', slot_name, 'active', active, 'walStatus', wal_status,
    'retainedBytes', pg_wal_lsn_diff(CASE WHEN r.in_recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)::bigint)
    ORDER BY slot_name) FROM pg_replication_slots WHERE slot_type = 'physical'), '[]') AS slots,
  coalesce((SELECT json_agg(json_build_object('name', slot_name, 'failover', failover,
    'ready', synced AND NOT temporary AND invalidation_reason IS NULL) ORDER BY slot_name)
    FROM pg_replication_slots WHERE slot_type = 'logical'), '[]') AS logical_slots,
  coalesce((SELECT json_agg(json_build_object('applicationName', a.application_name, 'state', a.state,
    'syncState', a.sync_state, 'replayLsn', a.replay_lsn, 'lagSeconds', extract(epoch FROM a.replay_lag)::float8,
    'encrypted', coalesce(t.ssl, false))) FROM pg_stat_replication a LEFT JOIN pg_stat_ssl t USING (pid)
    WHERE a.state <> 'backup'), '[]') AS senders
FROM pg_control_system() s, pg_control_checkpoint() c, pg_control_recovery() v,
  (SELECT pg_is_in_recovery() AS in_recovery) r LEFT JOIN pg_stat_wal_receiver w ON true`;

/** Asks a connected database for everything that a verdict or a plan needs. */
export async function observePostgres(client: Queryable): Promise<PostgresObservation> {
  const { rows } = await client.query(question);
  const row = rowSchema.parse(rows[0]);
  return {
    systemId: row.system_id,
    inRecovery: row.in_recovery,
    timeline: row.timeline,
    lsn: row.lsn,
    receivedLsn: row.received_lsn,
    replayPaused: row.replay_paused,
    streaming: row.streaming,
    synchronous: row.synchronous,
    waitingCommits: row.waiting_commits,
    synchronousEra: row.synchronous_era,
    startedAt: row.started_at.toISOString(),
    version: row.version,
    slots: row.slots,
    logicalSlots: row.logical_slots,
    senders: row.senders,
    transition: row.transition,
  };
}
