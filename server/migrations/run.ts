import type { Socket } from "node:net";
import { Kysely, Migrator, PostgresDialect, sql } from "kysely";
import pg from "pg";
import { type ConnectionSettings, clientOptions } from "../databases/connection.ts";
import type { Logger } from "../log.ts";
import { type MigrationContext, migrationNames, migrations } from "./list.ts";

/** Migrations may take longer than requests. */
const statementTimeoutSeconds = 300;

/**
 * Brings the schema `vault` up to this version, under a lock, so that two servers that start at
 * once run each migration once. A schema that is newer than this version is left as it is: the
 * servers of the previous version go on working during an upgrade.
 *
 * @param settings of the migration role on the writable database.
 * @returns the names of the migrations that were run now.
 * @throws the driver's error; nothing is half done then.
 */
export async function migrate(
  settings: ConnectionSettings,
  context: Omit<MigrationContext, "pool">,
  log: Logger,
): Promise<readonly string[]> {
  const sockets = new Set<Socket>();
  const newPool = (): pg.Pool => {
    const options = clientOptions({ ...settings, statementTimeoutSeconds }, sockets);
    const pool = new pg.Pool({ ...options, max: 1 });
    // A connection that breaks, idle or in use, shows in the next statement; unheard it would end the process.
    const onBroken = (error: Error): void => log.debug({ err: error }, "connection lost");
    pool.on("error", onBroken);
    pool.on("connect", (client) => client.on("error", onBroken));
    return pool;
  };
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: newPool() }) });
  try {
    if (await isUpToDate(db)) return [];
    const migrator = new Migrator({
      db,
      provider: { getMigrations: () => Promise.resolve(migrations({ ...context, pool: newPool })) },
      migrationTableSchema: "vault",
      migrationTableName: "schema_migrations",
      migrationLockTableName: "schema_migrations_lock",
    });
    const { error, results } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    return (results ?? []).map(({ migrationName }) => migrationName);
  } finally {
    await db.destroy();
  }
}

async function isUpToDate(db: Kysely<unknown>): Promise<boolean> {
  const found = await sql<{ present: boolean }>`
    select to_regclass('vault.schema_migrations') is not null as present`.execute(db);
  if (found.rows[0]?.present !== true) return false;
  const { rows } = await sql<{ name: string }>`select name from vault.schema_migrations`.execute(db);
  const executed = new Set(rows.map(({ name }) => name));
  return migrationNames.every((name) => executed.has(name));
}
