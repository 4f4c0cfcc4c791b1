import { DatabaseError, type PoolClient } from "pg";
import type { DatabaseName } from "../../core/vocabulary.ts";
import type { AuditEvent } from "../audit/event.ts";
import { auditColumns, auditValues } from "../audit/store.ts";
import { IdempotencyMismatch, Refused } from "./errors.ts";

/** One write: what it is called, who asks, and what it does inside a transaction. */
export interface WriteRequest {
  /** Whose key it is: keys of different actors never meet. */
  readonly actor: string;
  readonly key: string;
  /** 32 bytes each, see `RequestHasher`: the first is recorded, any of them is recognised. */
  readonly requestHashes: readonly Buffer[];
  /** Statements on `client` only; no other effect, because it may run again after a failure. Throws Refused. */
  readonly work: (client: PoolClient, database: DatabaseName) => Promise<WriteResponse>;
  /** The event that tells of the write, stored with it. */
  readonly audit: (response: WriteResponse) => AuditEvent;
}

/** What is kept under the key and answered again for the same request. Carries no secret. */
export interface WriteResponse {
  readonly status: number;
  readonly body: object;
}

export interface WriteResult extends WriteResponse {
  /** True if the key was known: nothing was written now. */
  readonly replayed: boolean;
}

const claimKey = `insert into vault.idempotency_keys (actor, key, request_hash) values ($1, $2, $3)
  on conflict (actor, key) do nothing`;

const recordResponse = `with recorded as (
    update vault.idempotency_keys set status = $3, response = $4 where actor = $1 and key = $2)
  insert into vault.audit_events (${auditColumns})
  values ($5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`;

/** What every write sends beside its own work. */
export const writeStatements = [claimKey, recordResponse];

/** How far a transaction came before it failed. */
export class TransactionFailure extends Error {
  /** True if COMMIT had been sent: it may have happened. */
  readonly commitSent: boolean;

  constructor(cause: unknown, commitSent: boolean) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "TransactionFailure";
    this.commitSent = commitSent;
  }
}

/**
 * Does the write and records its key and response in one transaction: both are there, or neither.
 * A key that is there already answers with what is recorded. Two equal requests at the same time
 * wait for each other at the key's unique index.
 *
 * @throws Refused (IdempotencyMismatch is one), or TransactionFailure with the driver's error as its cause.
 */
export async function transact(
  client: PoolClient,
  database: DatabaseName,
  request: WriteRequest,
): Promise<WriteResult> {
  let commitSent = false;
  try {
    const [, claimed] = await together(
      // Not "read write": a database that was closed to writes must refuse this.
      client.query("begin isolation level read committed"),
      client.query({
        name: "claim-key",
        text: claimKey,
        values: [request.actor, request.key, request.requestHashes[0]],
      }),
    );
    if (claimed.rowCount === 0) {
      const recorded = await readRecorded(client, request);
      // This commit waits for synchronous replicas like the first one, whose answer may have been lost.
      commitSent = true;
      await commit(client);
      return recorded;
    }
    const response = await request.work(client, database);
    const recording = client.query({
      name: "record-response",
      text: recordResponse,
      values: plain([
        ...[request.actor, request.key, response.status, JSON.stringify(response.body)],
        ...auditValues(request.audit(response)),
      ]),
    });
    commitSent = true;
    try {
      await together(recording, commit(client));
    } catch (error) {
      // Refused by the database itself, which then answers the commit with a rollback.
      const isRefused = await recording.then(
        () => false,
        (reason: unknown) => reason instanceof DatabaseError,
      );
      commitSent = !isRefused;
      throw error;
    }
    return { ...response, replayed: false };
  } catch (error) {
    if (error instanceof Refused) {
      await client.query("rollback");
      throw error;
    }
    throw new TransactionFailure(error, commitSent);
  }
}

/**
 * Waits for statements that were sent together, which saves the way to the database and back (the pool's connections
 * are pipelined).
 *
 * @throws what the first of them failed with, once all have ended
 */
async function together<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return [await first, await second];
}

/**
 * Values that the driver sends as they are. It finds out only while it sends whether it can send others, and what was
 * sent behind them would be done without them.
 */
function plain(values: readonly unknown[]): unknown[] {
  for (const value of values)
    if (typeof value === "object" && value !== null && !Buffer.isBuffer(value))
      throw new TypeError("only texts, numbers and bytes can be recorded with a write");
  return [...values];
}

/** A COMMIT whose outcome is open: `code` is SQLSTATE transaction_resolution_unknown. */
class UnconfirmedCommit extends Error {
  readonly code = "08007";
}

async function commit(client: PoolClient): Promise<void> {
  let warning: string | null = null;
  const onNotice = (notice: {
    readonly code?: string | undefined;
    readonly message?: string | undefined;
  }): void => {
    // "The transaction has already committed locally, but might not have been replicated to the standby."
    if (notice.code?.startsWith("01") === true) warning = notice.message ?? "warning";
  };
  client.on("notice", onNotice);
  try {
    const { command } = await client.query("commit");
    // PostgreSQL answers ROLLBACK to the COMMIT of a transaction that had failed.
    if (command !== "COMMIT") throw new Error(`COMMIT was answered with ${command}`);
    if (warning !== null) throw new UnconfirmedCommit(warning);
  } finally {
    client.off("notice", onNotice);
  }
}

interface RecordedRow {
  readonly request_hash: Buffer;
  readonly status: number;
  readonly response: object;
}

async function readRecorded(client: PoolClient, request: WriteRequest): Promise<WriteResult> {
  const { rows } = await client.query<RecordedRow>({
    name: "read-key",
    text: `update vault.idempotency_keys set replays = replays + 1 where actor = $1 and key = $2
           returning request_hash, status, response`,
    values: [request.actor, request.key],
  });
  const row = rows[0];
  if (row === undefined) throw new Error("the idempotency key was removed while it was used");
  if (!request.requestHashes.some((hash) => row.request_hash.equals(hash))) throw new IdempotencyMismatch();
  return { status: row.status, body: row.response, replayed: true };
}
