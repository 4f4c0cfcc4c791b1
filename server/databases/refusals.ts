import { errorCode } from "../../core/connectionFailure.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import type { Logger } from "../log.ts";

/** SQLSTATE invalid_password: the role has another one. */
export const invalidPassword = "28P01";

/** While passwords are replaced, one is refused for a moment. What lasts longer is wrong. */
export const passingSeconds = 30;

interface Refusal {
  readonly database: DatabaseName;
  readonly user: string;
  readonly since: number;
  readonly last: number;
  readonly isLogged: boolean;
}

/**
 * Databases that answer and refuse this server's password. Requests wait for such a database as for one that is away;
 * but nothing that comes back by itself is waited for, so after a while it is said as what it is.
 */
export class Refusals {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #refusals = new Map<string, Refusal>();

  /** @param now milliseconds since the epoch */
  constructor(log: Logger, now: () => number = Date.now) {
    this.#log = log;
    this.#now = now;
  }

  /** A connection failed; counts if it did so because of its password. */
  failed(database: DatabaseName, user: string, error: unknown): void {
    if (errorCode(error) !== invalidPassword) return;
    const now = this.#now();
    const before = this.#current(database, user);
    const since = before?.since ?? now;
    const lasts = now - since >= passingSeconds * 1000;
    const refusal = { database, user, since, last: now, isLogged: lasts };
    if (lasts && before?.isLogged === false) this.#log.error({ err: error, database }, describe(refusal));
    this.#refusals.set(`${database} ${user}`, refusal);
  }

  /** A connection was accepted. */
  accepted(database: DatabaseName, user: string): void {
    this.#refusals.delete(`${database} ${user}`);
  }

  /** What lasts too long to pass by itself, in words; null where nothing does. */
  get problem(): string | null {
    const now = this.#now();
    const lasting = [...this.#refusals.values()].find(
      ({ database, user, since }) =>
        now - since >= passingSeconds * 1000 && this.#current(database, user) !== undefined,
    );
    return lasting === undefined ? null : describe(lasting);
  }

  /** What nobody has met for a while is not known any more. */
  #current(database: DatabaseName, user: string): Refusal | undefined {
    const refusal = this.#refusals.get(`${database} ${user}`);
    return refusal && this.#now() - refusal.last < passingSeconds * 1000 ? refusal : undefined;
  }
}

function describe({ database, user, since }: Refusal): string {
  const from = new Date(since).toISOString();
  return `the ${database} database has refused this server's password of the role ${user} since ${from}`;
}
