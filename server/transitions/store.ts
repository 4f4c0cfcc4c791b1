import type { PoolClient } from "pg";
import type { Transition } from "./schema.ts";

const table = "continuity.transition";

/** The record of transitions, the newest first. A database that was not made by this project has none. */
export async function listTransitions(
  client: PoolClient,
  limit: number,
): Promise<{ readonly items: readonly Transition[]; readonly isRecorded: boolean }> {
  const found = await client.query<{ there: boolean }>("select to_regclass($1) is not null as there", [
    table,
  ]);
  if (found.rows[0]?.there !== true) return { items: [], isRecorded: false };
  const { rows } = await client.query<{ evidence: Transition }>(
    `select evidence from ${table} order by id desc limit $1`,
    [limit],
  );
  return { items: rows.map(({ evidence }) => evidence), isRecorded: true };
}
