import { setTimeout as sleep } from "node:timers/promises";
import type { PoolClient } from "pg";
import type { DatabaseName } from "../../core/vocabulary.ts";
import type { Cluster } from "./cluster.ts";
import { classifyFailure } from "./errors.ts";

const pauseAfterFailureMs = 20;

/** A read that cannot be answered now. Answered with 503. */
export class ReadUnavailable extends Error {
  readonly kind: "no-database" | "not-prepared";

  constructor(kind: ReadUnavailable["kind"], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "ReadUnavailable";
    this.kind = kind;
  }
}

/** Runs reads on the database that this server prefers, and on another one when that is lost. */
export class Reader {
  readonly #cluster: Cluster;
  holdSeconds: number;

  constructor(cluster: Cluster, holdSeconds: number) {
    this.#cluster = cluster;
    this.holdSeconds = holdSeconds;
  }

  /**
   * Runs `work`, again if a connection is lost, until the hold time is over.
   *
   * @throws ReadUnavailable, or the error of the work itself.
   */
  async run<T>(
    work: (client: PoolClient) => Promise<T>,
  ): Promise<{ readonly value: T; readonly database: DatabaseName }> {
    const deadline = Date.now() + this.holdSeconds * 1000;
    let lastError: unknown;
    for (;;) {
      const database = await this.#cluster.waitFor((state) => state.choice.readable, deadline);
      if (database === null) {
        throw new ReadUnavailable(
          "no-database",
          `no database could be reached within ${this.holdSeconds} s`,
          lastError,
        );
      }
      try {
        return { value: await this.#attempt(database, work), database };
      } catch (error) {
        const kind = classifyFailure(error);
        if (kind === "unprepared") {
          throw new ReadUnavailable(
            "not-prepared",
            `the database ${database} is not prepared yet: its tables are missing or older than this server`,
            error,
          );
        }
        if (kind === "other") throw error;
        lastError = error;
        if (Date.now() >= deadline) {
          throw new ReadUnavailable(
            "no-database",
            `no database answered within ${this.holdSeconds} s`,
            error,
          );
        }
        const pause = sleep(pauseAfterFailureMs * (0.5 + Math.random()));
        if (kind === "connection") await this.#cluster.lookAgain(database, deadline);
        await pause;
      }
    }
  }

  async #attempt<T>(database: DatabaseName, work: (client: PoolClient) => Promise<T>): Promise<T> {
    return await this.#cluster.pool(database).using(work, (error) => classifyFailure(error) === "contention");
  }
}
