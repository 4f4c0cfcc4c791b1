-- Brings the record of backups to what is on the disk (variable disk: the figures of every backup that there is, JSON).
-- Writes nothing where both say the same.
BEGIN;
UPDATE continuity.backup known SET state = 'good', started_at = "startedAt", ended_at = "endedAt", bytes = disk.bytes,
    timeline = disk.timeline, start_lsn = "startLsn", stop_lsn = "stopLsn", error = NULL
  FROM jsonb_to_recordset(:'disk'::jsonb) AS disk(name text, "startedAt" timestamptz, "endedAt" timestamptz, bytes bigint,
    timeline int, "startLsn" pg_lsn, "stopLsn" pg_lsn)
  WHERE disk.name = known.name AND known.state <> 'good';
INSERT INTO continuity.backup (requested_by, state, name, started_at, ended_at, bytes, timeline, start_lsn, stop_lsn)
  SELECT 'found on the disk', 'good', name, "startedAt", "endedAt", bytes, timeline, "startLsn", "stopLsn"
  FROM jsonb_to_recordset(:'disk'::jsonb) AS disk(name text, "startedAt" timestamptz, "endedAt" timestamptz, bytes bigint,
    timeline int, "startLsn" pg_lsn, "stopLsn" pg_lsn)
  WHERE NOT EXISTS (SELECT FROM continuity.backup known WHERE known.name = disk.name);
UPDATE continuity.backup SET state = 'removed'
  WHERE state = 'good' AND NOT EXISTS (SELECT FROM jsonb_array_elements(:'disk'::jsonb) disk WHERE disk ->> 'name' = name);
COMMIT;
