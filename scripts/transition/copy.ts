import type { DatabaseNode } from "../../core/topology.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { execute } from "../docker/container.ts";
import { containerOf } from "../observe/index.ts";
import { awaitCopy, awaitStreaming, standbyConnection } from "./awaitStreaming.ts";
import { type ActionContext, type ActionDetails, nodeOf, withClient } from "./context.ts";
import { giveIntent, obeys, standbyIntent } from "./intents.ts";

const dataFolder = "/var/lib/postgresql/data";

/** The database's data is thrown away and copied again; says how many bytes at which rate. */
export async function copy(
  name: DatabaseName,
  upstream: DatabaseName,
  context: ActionContext,
): Promise<ActionDetails> {
  const node = nodeOf(context, name);
  const started = performance.now();
  const bytes = await assertRoom(node, upstream, context);
  if (!(await obeys(node, upstream, context.goal))) {
    await renewSlot(node, upstream, context);
    await giveIntent(node, { ...standbyIntent(context.goal, upstream), fresh: true }, context);
  }
  await awaitCopy(name, upstream, context);
  await using standby = standbyConnection(name, context);
  await awaitStreaming(name, upstream, standby, context);
  const seconds = (performance.now() - started) / 1000;
  return { bytes, seconds, bytesPerSecond: Math.round(bytes / seconds) };
}

/**
 * Makes sure that a node has room for a copy of its upstream's data.
 *
 * @returns the size of that data, in bytes
 * @throws Error with what is needed and what is free; not where the node's container is down, and nobody can look
 */
export async function assertRoom(
  node: DatabaseNode,
  upstream: DatabaseName,
  context: ActionContext,
): Promise<number> {
  const [databaseBytes, freeBytes] = await Promise.all([bytesOf(upstream, context), bytesFreeFor(node)]);
  // The data, and as much again as WAL that comes while it is copied, within bounds.
  const neededBytes = databaseBytes + Math.min(databaseBytes, 1024 ** 3);
  if (freeBytes !== null && freeBytes < neededBytes)
    throw new Error(
      `${node.name}: ${neededBytes} bytes are needed for the copy, ${freeBytes} are free. Make room in its data volume, and run this again.`,
    );
  return databaseBytes;
}

/** A slot that was lost or points far back is dropped and made anew, so that the copy starts with all the WAL it needs. */
export async function renewSlot(
  node: DatabaseNode,
  upstream: DatabaseName,
  context: ActionContext,
): Promise<void> {
  await withClient(context, upstream, async (query) => {
    await query(
      "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active AND wal_status = 'lost'",
      [node.slot],
    );
    await query(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active",
      [node.slot],
    );
    await query(
      "SELECT pg_create_physical_replication_slot($1, true) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)",
      [node.slot],
    );
  });
}

function bytesOf(upstream: DatabaseName, context: ActionContext): Promise<number> {
  return withClient(context, upstream, async (query) => {
    const [row] = await query<{ bytes: string }>(
      "SELECT sum(pg_database_size(oid))::text AS bytes FROM pg_database",
    );
    return Number(row?.bytes ?? 0);
  });
}

/** Room in the data volume once the old data is gone, and what an interrupted copy left; null where the container is down. */
async function bytesFreeFor(node: DatabaseNode): Promise<number | null> {
  const container = containerOf(node);
  const { State } = await container.inspect();
  if (!State.Running) return null;
  const [df, du] = await Promise.all([
    execute(container, ["df", "--output=avail", "-B1", "/var/lib/postgresql"]),
    execute(container, ["du", "-sb", ...["", ".incoming", ".discarded"].map((end) => `${dataFolder}${end}`)]),
  ]);
  // A line for each folder that there is: its bytes, a tab, its path.
  const own = du.stdout.split("\n").reduce((sum, line) => sum + (Number.parseInt(line, 10) || 0), 0);
  return Number(df.stdout.trim().split("\n").at(-1)) + own;
}
