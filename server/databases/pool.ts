import type { Socket } from "node:net";
import pg from "pg";
import type { Logger } from "../log.ts";
import { type ConnectionSettings, clientOptions } from "./connection.ts";
import type { Refusals } from "./refusals.ts";

/** Connections that are kept ready, so that the first requests after a promotion need not open any. */
const warmConnections = 4;

export interface PoolOptions {
  readonly poolSize: number;
  /** How long a request may wait for a free connection. */
  readonly poolWaitSeconds: number;
  /** SQL that each connection runs that is kept ready. */
  readonly rehearsal: string;
}

/** The connections of the application role to one database. */
export class DatabasePool {
  readonly #pool: pg.Pool;
  readonly #sockets = new Set<Socket>();
  readonly #log: Logger;
  readonly #settings: ConnectionSettings;
  readonly #rehearsal: string;
  readonly #refusals: Refusals;
  #warming = false;

  constructor(settings: ConnectionSettings, options: PoolOptions, refusals: Refusals, log: Logger) {
    const { poolSize: size, poolWaitSeconds: waitSeconds, rehearsal } = options;
    this.#log = log;
    this.#settings = settings;
    this.#rehearsal = rehearsal;
    this.#refusals = refusals;
    this.#pool = new pg.Pool({
      ...clientOptions(settings, this.#sockets),
      // Also bounds the wait for a free connection. A silent host is cut earlier, by the watcher.
      connectionTimeoutMillis: (settings.connectTimeoutSeconds + waitSeconds) * 1000,
      // Statements that do not wait for each other are sent at once.
      pipeline: true,
      max: size,
      min: Math.min(warmConnections, size),
      idleTimeoutMillis: 60_000,
    });
    // A connection that breaks while no statement runs on it would otherwise end the process. The
    // next statement on it fails, and the watcher reports the cause.
    const onBroken = (error: Error): void =>
      log.debug({ err: error, database: settings.target.name }, "connection lost");
    this.#pool.on("error", onBroken);
    this.#pool.on("connect", (client) => {
      client.on("error", onBroken);
      refusals.accepted(settings.target.name, settings.user);
    });
  }

  /** A connection; give it back with `release()`, or `release(true)` to close it. */
  async connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      this.#refusals.failed(this.#settings.target.name, this.#settings.user, error);
      throw error;
    }
  }

  /**
   * Borrows a connection for `work`. After an error it is closed, which also ends what still runs on it.
   *
   * @param isClean whether an error leaves the connection as good as it was
   */
  async using<T>(
    work: (client: pg.PoolClient) => Promise<T>,
    isClean: (error: unknown) => boolean = () => false,
  ): Promise<T> {
    const client = await this.connect();
    let broken = true;
    try {
      const value = await work(client);
      broken = false;
      return value;
    } catch (error) {
      broken = !isClean(error);
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /**
   * Opens the few connections that are kept ready, and lets each read what writes need of the catalogue: the first
   * write after a promotion need not wait for it. Failure is no news: the watcher reports it.
   */
  async warm(): Promise<void> {
    if (this.#warming || this.#pool.ending) return;
    this.#warming = true;
    const clients: pg.PoolClient[] = [];
    try {
      while (clients.length < Math.min(warmConnections, this.#pool.options.max ?? warmConnections)) {
        clients.push(await this.connect());
      }
      const rehearsals = await Promise.allSettled(clients.map((client) => client.query(this.#rehearsal)));
      for (const { reason } of rehearsals.filter(
        ({ status }) => status === "rejected",
      ) as PromiseRejectedResult[])
        this.#log.debug({ err: reason }, "a write could not be rehearsed");
    } catch (error) {
      this.#log.debug({ err: error }, "no connection could be opened in advance");
    } finally {
      for (const client of clients) client.release();
      this.#warming = false;
    }
  }

  /** Cuts every connection at once, so that requests on a silent host fail now and are tried elsewhere. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy(new Error("the database connection was cut"));
  }

  /** Ends the pool after the connections in use have been given back. */
  async drain(): Promise<void> {
    if (!this.#pool.ending) await this.#pool.end();
  }
}
