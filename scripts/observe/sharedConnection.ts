import type pg from "pg";

/** What can be asked: a connection, or a part in one. */
export interface Queryable {
  query<R extends pg.QueryResultRow>(question: string | pg.QueryConfig): Promise<pg.QueryResult<R>>;
}

/** A connection that several use at once: what they ask is sent one after another, as the protocol wants it. */
export class SharedConnection implements Queryable {
  readonly #client: pg.Client;
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: pg.Client) {
    this.#client = client;
  }

  query<R extends pg.QueryResultRow>(question: string | pg.QueryConfig): Promise<pg.QueryResult<R>> {
    const answer = this.#last.then(() => this.#client.query<R>(question));
    this.#last = answer.catch(() => undefined);
    return answer;
  }
}
