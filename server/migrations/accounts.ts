import { type Kysely, sql } from "kysely";

/** Accounts, their tokens, ended sessions, and the note that the first administrator was made. */
export async function accounts(db: Kysely<unknown>, applicationRole: string): Promise<void> {
  const application = sql.id(applicationRole);
  await sql`
    create table vault.accounts (
      id uuid primary key,
      name text collate "C" not null unique,
      role text not null check (role in ('administrator', 'operator', 'viewer')),
      enabled boolean not null default true,
      password_hash text not null,
      epoch int not null default 1,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      password_changed_at timestamptz not null default now()
    )`.execute(db);
  await sql`
    create table vault.tokens (
      id uuid primary key,
      account uuid not null references vault.accounts (id) on delete cascade,
      name text not null,
      hash bytea not null unique,
      created_at timestamptz not null default now(),
      expires_at timestamptz
    )`.execute(db);
  await sql`create index tokens_by_account on vault.tokens (account)`.execute(db);
  await sql`
    create table vault.ended_sessions (id text primary key, ended_at timestamptz not null default now())`.execute(
    db,
  );
  await sql`
    create table vault.setup (
      singleton boolean primary key default true check (singleton),
      account uuid not null,
      done_at timestamptz not null default now()
    )`.execute(db);
  await sql`grant select, insert, update, delete on vault.accounts to ${application}`.execute(db);
  await sql`grant select, insert, delete on vault.tokens, vault.ended_sessions to ${application}`.execute(db);
  await sql`grant select, insert on vault.setup to ${application}`.execute(db);
}
