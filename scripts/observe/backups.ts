import type pg from "pg";
import { type BackupRecord, backupRecordSchema } from "../../core/backups/record.ts";
import { backupRecordQuestion } from "../../core/backups/statements.ts";
import { type BackupObservation, known, type Observed, unknown } from "../../core/observation.ts";
import { applicationDatabase, type Topology } from "../../core/topology.ts";
import { messageOf, observeContainer } from "./container.ts";
import type { ObserverAccess } from "./index.ts";
import { containerOf } from "./index.ts";
import { connectDatabase, type DatabaseAccess } from "./postgres.ts";

/** The container that makes backups, and the record of them. Null where none are made. */
export async function observeBackup(
  topology: Topology,
  access: ObserverAccess,
): Promise<BackupObservation | null> {
  const { backup } = topology;
  if (backup === null) return null;
  const [container, record] = await Promise.all([
    observeContainer(containerOf(backup), backup.host.network),
    askRecord(topology, access),
  ]);
  return { container, record };
}

async function askRecord(topology: Topology, access: ObserverAccess): Promise<Observed<BackupRecord>> {
  try {
    const login = { ca: access.caCertificate, user: "monitoring", password: access.monitoringPassword };
    return await withRecord(topology, login, async (client) => {
      const { rows } = await client.query(backupRecordQuestion);
      return known(backupRecordSchema.parse(rows[0]?.record));
    });
  } catch (error) {
    return unknown(messageOf(error));
  }
}

/**
 * Works on the record of backups in the writable database; where only reading is asked for and none is writable, in a
 * standby.
 *
 * @throws Error when no database will do, with what each said
 */
export async function withRecord<T>(
  topology: Topology,
  access: DatabaseAccess,
  work: (client: pg.Client) => Promise<T>,
  { writes = false }: { readonly writes?: boolean } = {},
): Promise<T> {
  const said: string[] = [];
  let standby: pg.Client | undefined;
  try {
    for (const database of topology.databases) {
      let client: pg.Client;
      try {
        client = await connectDatabase(database, access, applicationDatabase);
      } catch (error) {
        said.push(`${database.name}: ${messageOf(error)}`);
        continue;
      }
      const { rows } = await client.query<{ standby: boolean }>("SELECT pg_is_in_recovery() AS standby");
      if (rows[0]?.standby === false) {
        try {
          return await work(client);
        } finally {
          await client.end();
        }
      }
      if (standby) await client.end();
      else standby = client;
      said.push(`${database.name}: only reads`);
    }
    if (standby && !writes) return await work(standby);
  } finally {
    await standby?.end();
  }
  throw new Error(`no database will do (${said.join("; ")})`);
}
