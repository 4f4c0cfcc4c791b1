import { isConnectionFailure } from "../../core/connectionFailure.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import type { Queryable } from "../observe/sharedConnection.ts";
import { type ActionContext, connectPatiently } from "./context.ts";

/**
 * Commits a write on the new primary, and says when it was. Where replication is synchronous that takes a standby; when
 * none has confirmed it in time nothing is said, and `follow` asks again.
 *
 * @param patienceSeconds how long it may wait for a standby
 * @throws Error when it could not be committed for another reason
 */
export async function firstWrite(
  name: DatabaseName,
  context: ActionContext,
  patienceSeconds: number,
): Promise<{ readonly writesResumedAt?: number }> {
  const standing = await standingFor(name, context);
  if (standing) return commitOn(standing, context, patienceSeconds);
  const own = await connectPatiently(context, name);
  try {
    return await commitOn(own, context, patienceSeconds);
  } finally {
    await own.end();
  }
}

async function commitOn(
  connection: Queryable,
  context: ActionContext,
  patienceSeconds: number,
): Promise<{ readonly writesResumedAt?: number }> {
  // A transaction that is written to the WAL and committed: a write, without a table.
  const text = "SELECT pg_logical_emit_message(true, 'pg-continuity', $1)";
  try {
    // Not by statement_timeout: a commit that waits for a standby is past it.
    await connection.query(
      Object.assign({ text, values: [context.goal.transitionId] }, { query_timeout: patienceSeconds * 1000 }),
    );
    return { writesResumedAt: performance.now() };
  } catch (error) {
    if (error instanceof Error && error.message === "Query read timeout") return {};
    throw error;
  }
}

/**
 * The standing connection to a database, where its writes wait for nobody: on one that waits nothing else could be asked, and
 * what it has locked would stay so.
 */
async function standingFor(name: DatabaseName, context: ActionContext): Promise<Queryable | undefined> {
  const client = context.connectionTo(name);
  try {
    const answer = await client?.query<{ waits: boolean }>(
      "SELECT current_setting('synchronous_standby_names') <> '' AS waits",
    );
    return answer?.rows[0]?.waits === false ? client : undefined;
  } catch (error) {
    if (isConnectionFailure(error)) return undefined;
    throw error;
  }
}
