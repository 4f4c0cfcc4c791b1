import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { isConnectionFailure } from "../../core/connectionFailure.ts";

/**
 * A connection for many questions in a row: made with the first one, and again where it has broken meanwhile. Each
 * connection costs both sides more than what is asked over it.
 */
export class KeptConnection implements AsyncDisposable {
  readonly #connect: () => Promise<pg.Client>;
  readonly #patienceMs: number;
  #client: pg.Client | undefined;

  /** @param patienceSeconds how long a database that cannot be connected to is tried again */
  constructor(connect: () => Promise<pg.Client>, patienceSeconds: number) {
    this.#connect = connect;
    this.#patienceMs = patienceSeconds * 1000;
  }

  /** Asks. @throws what the statement failed with, or the connection once patience is at its end */
  async query<R>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    const deadline = Date.now() + this.#patienceMs;
    while (true) {
      const wasKept = this.#client !== undefined;
      try {
        this.#client ??= await this.#connect();
        const { rows } = await this.#client.query(text, [...values]);
        return rows as R[];
      } catch (error) {
        // Not waited for: what hangs does not end either.
        void this.#end();
        if (!isConnectionFailure(error) || (!wasKept && Date.now() >= deadline)) throw error;
        if (!wasKept) await sleep(50);
      }
    }
  }

  async #end(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end();
  }
}
