/** The role that makes backups. */
export const backupRole = "backup";

const iso = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

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
