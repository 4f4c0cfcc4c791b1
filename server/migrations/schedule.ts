import { runMigrations } from "graphile-worker";
import { type Kysely, sql } from "kysely";
import type { Pool } from "pg";
import { quietLogger } from "../schedule/logger.ts";

/** The job library's own tables, who runs scheduled work now, and what it samples. */
export async function schedule(
  db: Kysely<unknown>,
  applicationRole: string,
  pool: () => Pool,
): Promise<void> {
  const application = sql.id(applicationRole);
  await installLibrary(pool());
  await sql`
    create table vault.leases (
      name text primary key,
      holder text not null,
      server text not null,
      since timestamptz not null default now(),
      expires_at timestamptz not null
    )`.execute(db);
  await sql`
    create table vault.health_samples (
      at timestamptz primary key default now(),
      server text not null,
      sample json not null
    )`.execute(db);
  await sql`grant select, insert, update, delete on vault.leases, vault.health_samples to ${application}`.execute(
    db,
  );
  await sql`grant usage on schema graphile_worker to ${application}`.execute(db);
  await sql`grant select, insert, update, delete on all tables in schema graphile_worker to ${application}`.execute(
    db,
  );
  // The library protects its tables by row-level security, which lets only their owner pass.
  const tables = await sql<{ name: string }>`
    select c.relname as name from pg_class c
    where c.relnamespace = 'graphile_worker'::regnamespace and c.relrowsecurity`.execute(db);
  for (const { name } of tables.rows) {
    await sql`
      create policy application on ${sql.id("graphile_worker", name)} to ${application}
      using (true) with check (true)`.execute(db);
  }
}

/** In transactions of its own; nothing happens where it has been done. */
async function installLibrary(pool: Pool): Promise<void> {
  try {
    await runMigrations({ pgPool: pool, logger: quietLogger });
  } finally {
    await pool.end();
  }
}
