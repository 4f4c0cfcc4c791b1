import { backupRole } from "../backups/statements.ts";
import { scramVerifier } from "./scram.ts";

/** What the container that makes backups connects with. */
export interface BackupLogin {
  readonly password: string;
  /** Of the SCRAM verifier, base64. */
  readonly salt: string;
}

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
  "CREATE TABLE IF NOT EXISTS continuity.backup_since (single boolean PRIMARY KEY DEFAULT true CHECK (single), since timestamptz NOT NULL DEFAULT clock_timestamp());",
  "INSERT INTO continuity.backup_since DEFAULT VALUES ON CONFLICT DO NOTHING;",
  "GRANT SELECT ON continuity.backup, continuity.backup_since TO application, monitoring, operator;",
  "GRANT INSERT (requested_by) ON continuity.backup TO application, operator;",
  `GRANT USAGE ON SCHEMA continuity TO ${backupRole};`,
  `GRANT SELECT, INSERT, UPDATE ON continuity.backup TO ${backupRole};`,
  // How much there is to copy: of databases that it may not connect to, a role is told nothing.
  "CREATE OR REPLACE FUNCTION continuity.data_bytes() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog RETURN (SELECT sum(pg_database_size(oid))::bigint FROM pg_database);",
  "REVOKE EXECUTE ON FUNCTION continuity.data_bytes() FROM PUBLIC;",
  `GRANT EXECUTE ON FUNCTION continuity.data_bytes() TO ${backupRole};`,
];

const wereOn = "to_regclass('continuity.backup_since') IS NOT NULL";

/** Where none are made any more: the record stays, the role goes. A role of that name that is somebody else's is left alone. */
export const withoutBackups: readonly string[] = [
  ...[`DROP OWNED BY ${backupRole}`, `DROP ROLE ${backupRole}`].map(
    (statement) =>
      `SELECT '${statement}' WHERE ${wereOn} AND EXISTS (SELECT FROM pg_roles WHERE rolname = '${backupRole}') \\gexec`,
  ),
  "DROP TABLE IF EXISTS continuity.backup_since;",
];
