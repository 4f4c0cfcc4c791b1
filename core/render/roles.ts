import type { Credentials } from "../credentials.ts";
import type { ApplicationSecrets } from "../ownApplication.ts";
import { applicationDatabase, ownDatabase } from "../topology.ts";
import { type DatabaseRole, databaseRoles, transitionLockKey } from "../vocabulary.ts";
import { type BackupLogin, backupRoleStatements, backupSchema, withoutBackups } from "./backupRole.ts";
import { stateFiles, stateFolder } from "./files.ts";
import { scramVerifier } from "./scram.ts";

/** What each role may do beyond logging in. Attributes of ALTER ROLE. */
const attributes: Readonly<Record<DatabaseRole, string>> = {
  application: "CONNECTION LIMIT 150",
  migration: "CONNECTION LIMIT 10",
  replication: "REPLICATION CONNECTION LIMIT 10",
  // For logical subscribers: what they may read is granted by whoever publishes.
  subscriber: "REPLICATION CONNECTION LIMIT 10",
  rewind: "CONNECTION LIMIT 5",
  monitoring: "CONNECTION LIMIT 30",
  // REPLICATION lets it create and drop slots; pg_hba lets it open no replication connection.
  operator: "REPLICATION CONNECTION LIMIT 10",
};

/** The functions that pg_rewind needs on its source (PostgreSQL documentation, pg_rewind, Notes). */
const rewindFunctions = [
  "pg_catalog.pg_ls_dir(text, boolean, boolean)",
  "pg_catalog.pg_stat_file(text, boolean)",
  "pg_catalog.pg_read_binary_file(text)",
  "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)",
];

const operatorFunctions = ["pg_catalog.pg_promote(boolean, integer)", "pg_catalog.pg_wal_replay_resume()"];

/**
 * The SQL that brings roles, the application's database and grants to what they have to be. Idempotent; run as
 * superuser over the local socket of the writable database. Holds SCRAM verifiers, no passwords.
 *
 * @param own secrets of one's own application, where the stack has one
 * @param backup login of the role that makes backups, where the stack makes any
 */
export function renderRolesSql(
  credentials: Pick<Credentials, "passwords" | "salts">,
  own?: ApplicationSecrets,
  backup?: BackupLogin,
): string {
  const roles = databaseRoles.flatMap((role) =>
    roleStatements(role, attributes[role], credentials.passwords[role][0], credentials.salts[role]),
  );
  return [
    "\\set ON_ERROR_STOP on",
    "\\set QUIET on",
    "SET client_min_messages = warning;",
    "-- A failing statement must not put a verifier into the log.",
    "SET log_min_error_statement = panic;",
    "SET log_min_duration_statement = -1;",
    ...roles,
    `SELECT 'CREATE DATABASE "${applicationDatabase}" OWNER migration' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '${applicationDatabase}') \\gexec`,
    `REVOKE ALL ON DATABASE "${applicationDatabase}", postgres, template1 FROM PUBLIC;`,
    `GRANT CONNECT ON DATABASE "${applicationDatabase}" TO application, migration, monitoring, operator, subscriber;`,
    "GRANT CONNECT ON DATABASE postgres TO rewind, monitoring, operator, replication;",
    "GRANT pg_monitor TO monitoring, operator;",
    // To rewind: what the source has not written to its files yet would have to be replayed from before the rewind.
    "GRANT pg_checkpoint TO operator, rewind;",
    ...rewindFunctions.map((name) => `GRANT EXECUTE ON FUNCTION ${name} TO rewind;`),
    ...operatorFunctions.map((name) => `GRANT EXECUTE ON FUNCTION ${name} TO operator;`),
    ...(own ? ownApplicationStatements(own) : []),
    ...(backup ? backupRoleStatements(backup, applicationDatabase) : []),
    ...stateFilesFunction,
    `\\connect "${applicationDatabase}"`,
    ...continuitySchema,
    ...(backup ? backupSchema : withoutBackups),
    "",
  ].join("\n");
}

function roleStatements(role: string, attributes: string, password: string, salt: string): string[] {
  const verifier = scramVerifier(password, salt);
  return [
    `SELECT 'CREATE ROLE "${role}"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') \\gexec`,
    `ALTER ROLE "${role}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS ${attributes} PASSWORD '${verifier}';`,
  ];
}

/** One's own application has a database to itself: its role may do anything there and connect nowhere else. */
function ownApplicationStatements({ password, salt }: ApplicationSecrets): string[] {
  const { name, owner } = ownDatabase;
  return [
    ...roleStatements(owner, "CONNECTION LIMIT 150", password, salt),
    `SELECT 'CREATE DATABASE "${name}" OWNER "${owner}"' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '${name}') \\gexec`,
    `REVOKE ALL ON DATABASE "${name}" FROM PUBLIC;`,
  ];
}

/** For a transition: what the node keeps of itself, each file by its name, null for none. In the database of the operator. */
const stateFilesFunction = [
  "CREATE SCHEMA IF NOT EXISTS continuity;",
  "GRANT USAGE ON SCHEMA continuity TO operator;",
  `CREATE OR REPLACE FUNCTION continuity.state_files() RETURNS json LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog RETURN json_build_object(${stateFiles.map((file) => `'${file}', pg_read_file('${stateFolder}/${file}', 0, 65536, true)`).join(", ")});`,
  "REVOKE EXECUTE ON FUNCTION continuity.state_files() FROM PUBLIC;",
  "GRANT EXECUTE ON FUNCTION continuity.state_files() TO operator;",
];

/**
 * The project's own schema in the application's database: what servers and scripts need to know of replication and may
 * not see as ordinary roles, and the record of transitions. It belongs to the superuser; nobody can change or delete
 * a row of the record.
 */
export const continuitySchema = [
  "SET client_min_messages = warning;",
  "CREATE SCHEMA IF NOT EXISTS continuity;",
  "GRANT USAGE ON SCHEMA continuity TO application, monitoring, operator;",
  // The timeline that a standby receives; pg_stat_wal_receiver itself would show more than an application may see.
  "CREATE OR REPLACE FUNCTION continuity.received_timeline() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog RETURN (SELECT received_tli FROM pg_stat_wal_receiver);",
  "REVOKE EXECUTE ON FUNCTION continuity.received_timeline() FROM PUBLIC;",
  "GRANT EXECUTE ON FUNCTION continuity.received_timeline() TO application;",
  // Who follows how, which transition runs, what the node was told to be: of that an application sees nothing by itself.
  `CREATE OR REPLACE FUNCTION continuity.observation() RETURNS json LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog RETURN json_build_object('senders', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'state', state, 'syncState', sync_state)), '[]') FROM pg_stat_replication WHERE state <> 'backup'), 'transition', (SELECT json_build_object('holder', a.application_name, 'since', to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.objid = ${transitionLockKey} AND l.granted LIMIT 1), 'intent', pg_read_file('${stateFolder}/intent.json', 0, 65536, true));`,
  "REVOKE EXECUTE ON FUNCTION continuity.observation() FROM PUBLIC;",
  "GRANT EXECUTE ON FUNCTION continuity.observation() TO application;",
  "CREATE TABLE IF NOT EXISTS continuity.transition (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(), evidence jsonb NOT NULL);",
  "GRANT SELECT ON continuity.transition TO application, monitoring;",
  "GRANT SELECT, INSERT ON continuity.transition TO operator;",
];
