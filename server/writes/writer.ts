import { setTimeout as sleep } from "node:timers/promises";
import { errorCode } from "../../core/connectionFailure.ts";
import type { DatabaseName, ServerName } from "../../core/vocabulary.ts";
import type { Cluster, ClusterState } from "../databases/cluster.ts";
import { classifyFailure, queryCanceled } from "../databases/errors.ts";
import type { Logger } from "../log.ts";
import { WriteUnavailable } from "./errors.ts";
import { TransactionFailure, transact, type WriteRequest, type WriteResult } from "./transaction.ts";

/** More requests than this are not held at once: their bodies take memory. */
const maxHeld = 2000;
const pauseAfterFailureMs = 20;
const lost =
  ", and the connection was lost during COMMIT: the write may have been done. Send it again with the same Idempotency-Key to learn which.";

/** Where a server may write: a database, `wait` for one, or `refuse` because it is not its turn. */
export type WriteTarget = DatabaseName | "wait" | "refuse";

/**
 * Where this server writes now. Pure. The read-only server writes only while its own database is
 * the writable one; it waits only while that was so until a moment ago and nobody else is writable.
 *
 * @param holdSeconds how long a writable database may be away before it counts as gone.
 */
export function writeTarget(
  server: ServerName,
  state: ClusterState,
  now: number,
  holdSeconds: number,
): WriteTarget {
  const { writable } = state.choice;
  if (server !== "read-only") return writable ?? "wait";
  if (writable === "read-only") return writable;
  const seenAt = state.writableSeenAt.get("read-only");
  const lately = seenAt !== undefined && now - seenAt <= holdSeconds * 1000;
  return writable === null && lately ? "wait" : "refuse";
}

/** Runs writes exactly once on whichever database is writable, and holds them while there is none. */
export class Writer {
  readonly #server: ServerName;
  readonly #cluster: Cluster;
  readonly #log: Logger;
  #held = 0;
  holdSeconds: number;

  constructor(server: ServerName, cluster: Cluster, holdSeconds: number, log: Logger) {
    this.#server = server;
    this.#cluster = cluster;
    this.holdSeconds = holdSeconds;
    this.#log = log;
  }

  /**
   * Runs one write. A connection that is lost before, during or after COMMIT is no failure: the
   * request is run again with the same key, on the database that is writable then.
   *
   * @throws WriteUnavailable, IdempotencyMismatch, or the error of the work itself.
   */
  async run(request: WriteRequest): Promise<WriteResult & { readonly database: DatabaseName }> {
    const deadline = Date.now() + this.holdSeconds * 1000;
    let outcomeUnknown = false;
    let lastError: unknown;
    for (;;) {
      const database = await this.#target(deadline, outcomeUnknown, lastError);
      try {
        return { ...(await this.#attempt(database, request)), database };
      } catch (error) {
        const cause = error instanceof TransactionFailure ? error.cause : error;
        const kind = classifyFailure(cause);
        if (kind === "unprepared") {
          throw new WriteUnavailable(
            "not-prepared",
            `the database ${database} is not prepared yet: its tables are missing or older than this server`,
            { retryAfterSeconds: 2, cause, outcomeUnknown },
          );
        }
        if (kind === "other") throw this.#isOpen(outcomeUnknown, cause) ? this.#stillOpen(cause) : cause;
        lastError = cause;
        // Once COMMIT was sent nobody knows, until an attempt with the same key gets through.
        if (error instanceof TransactionFailure && error.commitSent) outcomeUnknown = true;
        this.#log.debug({ err: cause, database, kind, outcomeUnknown }, "write is tried again");
        if (Date.now() >= deadline) throw this.#timeUp(outcomeUnknown, cause);
        const pause = sleep(pauseAfterFailureMs * (0.5 + Math.random()));
        // An attempt of every request would keep a database busy that is about to end.
        if (kind === "connection") await this.#cluster.lookAgain(database, deadline);
        await pause;
      }
    }
  }

  async #attempt(database: DatabaseName, request: WriteRequest): Promise<WriteResult> {
    // An orderly refusal leaves the connection clean; after anything else it is closed, which also rolls back.
    return await this.#cluster.pool(database).using(
      (client) => transact(client, database, request),
      (error) => !(error instanceof TransactionFailure),
    );
  }

  async #target(deadline: number, outcomeUnknown: boolean, cause: unknown): Promise<DatabaseName> {
    const decide = (state: ClusterState): DatabaseName | "refuse" | null => {
      const target = writeTarget(this.#server, state, Date.now(), this.holdSeconds);
      return target === "wait" ? null : target;
    };
    let target = decide(this.#cluster.state);
    if (target === null) {
      if (this.#held >= maxHeld) {
        throw new WriteUnavailable(
          "overloaded",
          `${maxHeld} writes are waiting for a writable database already`,
          { retryAfterSeconds: 2, outcomeUnknown, cause },
        );
      }
      this.#held += 1;
      try {
        target = await this.#cluster.waitFor(decide, deadline);
      } finally {
        this.#held -= 1;
      }
    }
    if (target === "refuse") {
      throw new WriteUnavailable(
        "read-only-continuity",
        "this is the read-only server: it serves reads while no read/write server can, and changes nothing. " +
          "Writes work again when a read/write server is back, or when this server's database has been promoted.",
        { retryAfterSeconds: 30, outcomeUnknown, cause },
      );
    }
    if (target === null) throw this.#timeUp(outcomeUnknown, cause);
    return target;
  }

  /** The attempt before may still hold the key: the database has not noticed yet that its connection is gone. */
  #isOpen(outcomeUnknown: boolean, cause: unknown): boolean {
    return outcomeUnknown && errorCode(cause) === queryCanceled;
  }

  #stillOpen(cause: unknown): WriteUnavailable {
    return new WriteUnavailable(
      "time-limit",
      `the database gave the statement up after its time limit${lost}`,
      {
        retryAfterSeconds: 2,
        outcomeUnknown: true,
        cause,
      },
    );
  }

  #timeUp(outcomeUnknown: boolean, cause: unknown): WriteUnavailable {
    const waited = `no writable database was found within ${this.holdSeconds} s`;
    return new WriteUnavailable(
      "no-writable-database",
      outcomeUnknown ? `${waited}${lost}` : `${waited}. Nothing was written.`,
      { retryAfterSeconds: 2, outcomeUnknown, cause },
    );
  }
}
