import { setTimeout as sleep } from "node:timers/promises";
import { applicationDatabase, type DatabaseNode, type Topology } from "../../core/topology.ts";
import { execute } from "../docker/container.ts";
import { containerOf } from "../observe/index.ts";
import type { WriteLoad } from "./writeLoad.ts";

/** What a database has of a load's writes. */
export interface Comparison {
  readonly acknowledged: number;
  /** Acknowledged, and not there. */
  readonly lost: readonly string[];
  /** There more than once. */
  readonly doubled: readonly string[];
}

/** Compares every acknowledged write of a load with what a database has, read directly in its container. */
export async function compareWithDatabase(load: WriteLoad, database: DatabaseNode): Promise<Comparison> {
  const acknowledged = load.acknowledged;
  const rows = await localRows(
    database,
    applicationDatabase,
    `SELECT name || '|' || count(*) FROM vault.resources WHERE name LIKE '${load.name}-%' GROUP BY name`,
  );
  const counts = new Map<string, number>();
  for (const row of rows) {
    const [name = "", count = "0"] = row.split("|");
    counts.set(name, Number(count));
  }
  return {
    acknowledged: acknowledged.length,
    lost: acknowledged.filter((name) => !counts.has(name)),
    doubled: [...counts].filter(([, count]) => count > 1).map(([name]) => name),
  };
}

/** The same on every database of the model, once the standby has replayed all that the writable one has. */
export async function compareEverywhere(
  load: WriteLoad,
  topology: Topology,
  seconds = 60,
): Promise<Readonly<Record<string, Comparison>>> {
  await caughtUp(topology.databases, seconds);
  const results: Record<string, Comparison> = {};
  for (const database of topology.databases)
    results[database.name] = await compareWithDatabase(load, database);
  return results;
}

/** Lines of an unaligned answer, asked as superuser over the node's local socket. @throws with PostgreSQL's message */
export async function localRows(
  database: DatabaseNode,
  databaseName: string,
  sql: string,
): Promise<readonly string[]> {
  const { exitCode, stdout, stderr } = await execute(containerOf(database), [
    ...["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", databaseName, "-c"],
    sql,
  ]);
  if (exitCode !== 0) throw new Error(`${database.name}: ${stderr.trim()}`);
  return stdout.split("\n").filter((line) => line !== "");
}

async function caughtUp(databases: readonly DatabaseNode[], seconds: number): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  const position = `SELECT CASE WHEN pg_is_in_recovery() THEN 'standby ' || pg_last_wal_replay_lsn()
    ELSE 'writable ' || pg_current_wal_insert_lsn() END`;
  const positions = await Promise.all(databases.map((node) => localRows(node, "postgres", position)));
  const writable = positions.flat().find((row) => row.startsWith("writable "));
  if (!writable) throw new Error(`no database is writable: ${positions.flat().join(", ")}`);
  const wanted = writable.split(" ")[1];
  for (const node of databases) {
    const question = `SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() >= '${wanted}'::pg_lsn ELSE true END`;
    while ((await localRows(node, "postgres", question))[0] !== "t") {
      if (Date.now() > deadline)
        throw new Error(`${node.name} has not replayed ${wanted} within ${seconds} s`);
      await sleep(50);
    }
  }
}
