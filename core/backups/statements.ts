import { scramVerifier } from "../render/scram.ts";

/** What the container that makes backups connects with. */
export interface BackupLogin {
  readonly password: string;
  /** Of the SCRAM verifier, base64. */
  readonly salt: string;
}

/** The role that makes backups. */
export const backupRole = "backup";

const iso = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/**
 * The role of the backups: copies by the replication protocol, and keeps its record. Part of what makes the roles.
 *
 * @param database where the record is
 */
export function backupRoleStatements({ password, salt }: BackupLogin, database: string): readonly string[] {
  return [
    `SELECT 'CREATE ROLE "${backupRole}"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${backupRole}') \\gexec`,
    `ALTER ROLE "${backupRole}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS REPLICATION CONNECTION LIMIT 5 PASSWORD '${scramVerifier(password, salt)}';`,
    `GRANT CONNECT ON DATABASE "${database}" TO ${backupRole};`,
  ];
}

/**
 * The record of backups in the project's own schema. A request is a row; at most one is under way. What was good and is
 * on the disk no more stays as `removed`.
 */
export const backupSchema: readonly string[] = [
  "CREATE TABLE IF NOT EXISTS continuity.backup (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, requested_at timestamptz NOT NULL DEFAULT clock_timestamp(), requested_by text NOT NULL, state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'running', 'good', 'failed', 'removed')), name text UNIQUE, started_at timestamptz, ended_at timestamptz, bytes bigint, timeline int, start_lsn pg_lsn, stop_lsn pg_lsn, error text);",
  "CREATE UNIQUE INDEX IF NOT EXISTS backup_pending ON continuity.backup ((true)) WHERE state IN ('requested', 'running');",
  // Since when: their age counts from here until there is one.
  "CREATE TABLE IF NOT EXISTS continuity.backup_since (only boolean PRIMARY KEY DEFAULT true CHECK (only), since timestamptz NOT NULL DEFAULT clock_timestamp());",
  "INSERT INTO continuity.backup_since DEFAULT VALUES ON CONFLICT DO NOTHING;",
  "GRANT SELECT ON continuity.backup, continuity.backup_since TO application, monitoring, operator;",
  "GRANT INSERT (requested_by) ON continuity.backup TO application, operator;",
  `GRANT USAGE ON SCHEMA continuity TO ${backupRole};`,
  `GRANT SELECT, INSERT, UPDATE ON continuity.backup TO ${backupRole};`,
  // How much there is to copy: of databases that it may not connect to, a role is told nothing.
  "CREATE OR REPLACE FUNCTION continuity.data_bytes() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog RETURN (SELECT sum(pg_database_size(oid)) FROM pg_database);",
  "REVOKE EXECUTE ON FUNCTION continuity.data_bytes() FROM PUBLIC;",
  `GRANT EXECUTE ON FUNCTION continuity.data_bytes() TO ${backupRole};`,
];

/** Where none are made any more: the record stays, their age is nobody's matter, and pg_hba lets the role in no more. */
export const withoutBackups: readonly string[] = ["DROP TABLE IF EXISTS continuity.backup_since;"];

/** Asks for a backup, unless one is under way: a row with its id, or none. `$1`: who asks. */
export const requestBackup =
  "INSERT INTO continuity.backup (requested_by) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id::int";

/** One row, `record`: a `BackupRecord`. */
export const backupRecordQuestion = `SELECT json_build_object(
  'since', (SELECT ${iso("since")} FROM continuity.backup_since),
  'lastGood', (SELECT json_build_object('name', name, 'endedAt', ${iso("ended_at")}, 'bytes', bytes)
    FROM continuity.backup WHERE state = 'good' ORDER BY ended_at DESC LIMIT 1),
  'pending', (SELECT json_build_object('state', state, 'requestedAt', ${iso("requested_at")})
    FROM continuity.backup WHERE state IN ('requested', 'running') LIMIT 1),
  'lastFailure', (SELECT json_build_object('at', ${iso("ended_at")}, 'error', error) FROM
    (SELECT * FROM continuity.backup WHERE state IN ('good', 'failed') ORDER BY ended_at DESC LIMIT 1) last
    WHERE state = 'failed')) AS record`;

/** Every request, the newest first, with how far the copy of the one that runs is. `$1`: at most so many. */
export const listBackups = `SELECT id::int, state, name, requested_by AS "requestedBy", ${iso("requested_at")} AS "requestedAt",
  ${iso("started_at")} AS "startedAt", ${iso("ended_at")} AS "endedAt", bytes::float8,
  round(extract(epoch FROM ended_at - started_at), 1)::float8 AS seconds, timeline,
  start_lsn::text AS "startLsn", stop_lsn::text AS "stopLsn", error,
  CASE WHEN state = 'running' THEN (SELECT json_build_object('phase', phase, 'bytes', backup_streamed, 'of', backup_total)
    FROM pg_stat_progress_basebackup p JOIN pg_stat_activity a USING (pid) WHERE a.usename = '${backupRole}' LIMIT 1) END AS progress
  FROM continuity.backup ORDER BY id DESC LIMIT $1`;
