import { type Kysely, type Migration, sql } from "kysely";
import type { Pool } from "pg";
import { accounts } from "./accounts.ts";
import { audit, fasterRetention, fasterVerification } from "./audit.ts";
import { rotation } from "./rotation.ts";
import { schedule } from "./schedule.ts";
import { serverNames } from "./serverNames.ts";

/** What the migrations need to know of this server. */
export interface MigrationContext {
  /** The role that does the work; gets only what it needs. */
  readonly applicationRole: string;
  /** Fingerprint of the key that seals the secrets of this database from its first day. */
  readonly keyFingerprint: string;
  /** Other connections of the migration role, for the job library's own migrations. Whoever asks ends them. */
  readonly pool: () => Pool;
}

/** All migrations by name, forward only, run in the order of their names. */
export function migrations(context: MigrationContext): Record<string, Migration> {
  return {
    "0001-resources": { up: (db) => resources(db, context) },
    "0002-replays": { up: replays },
    "0003-deletes": { up: (db) => deletes(db, context) },
    "0004-accounts": { up: (db) => accounts(db, context.applicationRole) },
    "0005-rotation": { up: (db) => rotation(db, context.applicationRole) },
    "0006-audit": { up: (db) => audit(db, context.applicationRole) },
    "0007-schedule": { up: (db) => schedule(db, context.applicationRole, context.pool) },
    "0008-server-names": { up: (db) => serverNames(db, context.applicationRole) },
    "0009-faster-verification": { up: fasterVerification },
    "0010-faster-retention": { up: fasterRetention },
  };
}

/** The names of all migrations of this version, in order. */
export const migrationNames: readonly string[] = Object.keys(
  migrations({
    applicationRole: "",
    keyFingerprint: "",
    pool: () => {
      throw new Error("only the names are asked for");
    },
  }),
).sort();

// Forward only, and the driver's type parameter means "any schema".
async function resources(
  db: Kysely<unknown>,
  { applicationRole, keyFingerprint }: MigrationContext,
): Promise<void> {
  const application = sql.id(applicationRole);
  await sql`
    create table vault.encryption_keys (
      fingerprint text primary key,
      created_at timestamptz not null default now()
    )`.execute(db);
  await sql`insert into vault.encryption_keys (fingerprint) values (${keyFingerprint})`.execute(db);
  // Collation "C": an index that no change of the operating system's locales can break.
  await sql`
    create table vault.resources (
      id uuid primary key,
      name text collate "C" not null,
      account text not null,
      secret_key_id text not null references vault.encryption_keys (fingerprint),
      secret_nonce bytea not null,
      secret_ciphertext bytea not null,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    )`.execute(db);
  await sql`create index resources_by_name on vault.resources (name, id)`.execute(db);
  await sql`
    create table vault.idempotency_keys (
      actor text not null,
      key text not null,
      request_hash bytea not null,
      status int,
      response json,
      created_at timestamptz not null default now(),
      primary key (actor, key)
    )`.execute(db);
  await sql`create index idempotency_keys_by_age on vault.idempotency_keys (created_at)`.execute(db);
  await sql`grant usage on schema vault to ${application}`.execute(db);
  await sql`grant select on vault.schema_migrations, vault.encryption_keys to ${application}`.execute(db);
  await sql`grant select, insert on vault.resources to ${application}`.execute(db);
  await sql`grant select, insert, update, delete on vault.idempotency_keys to ${application}`.execute(db);
}

/** How often a recorded answer was given again. Counting makes a repeated write a write, see `transact`. */
async function replays(db: Kysely<unknown>): Promise<void> {
  await sql`alter table vault.idempotency_keys add column replays int not null default 0`.execute(db);
}

/** Resources can be deleted. */
async function deletes(db: Kysely<unknown>, { applicationRole }: MigrationContext): Promise<void> {
  await sql`grant delete on vault.resources to ${sql.id(applicationRole)}`.execute(db);
}
