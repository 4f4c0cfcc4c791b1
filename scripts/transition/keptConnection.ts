import type pg from "pg";
import { isConnectionFailure } from "../../core/connectionFailure.ts";

/**
 * A connection for many questions in a row: made with the first one, and again where it has broken meanwhile, once for
 * a question. Each connection costs both sides more than what is asked over it.
 */
export class KeptConnection implements AsyncDisposable {
  readonly #connect: () => Promise<pg.Client>;
  #client: pg.Client | undefined;

  constructor(connect: () => Promise<pg.Client>) {
    this.#connect = connect;
  }

  /** Asks. @throws what the connection or the statement failed with, when it does so on a new connection */
  async query<R>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    const isNew = this.#client === undefined;
    try {
      this.#client ??= await this.#connect();
      const { rows } = await this.#client.query(text, [...values]);
      return rows as R[];
    } catch (error) {
      // Not waited for: what hangs does not end either.
      void this.#end();
      if (isNew || !isConnectionFailure(error)) throw error;
      return this.query(text, values);
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
