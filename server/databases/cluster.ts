import type { DatabaseName, ServerName } from "../../core/vocabulary.ts";
import type { Logger } from "../log.ts";
import { type Choice, choose } from "./choose.ts";
import type { ConnectionSettings } from "./connection.ts";
import type { DatabaseDetail } from "./detail.ts";
import { DatabasePool } from "./pool.ts";
import { Refusals } from "./refusals.ts";
import { type DatabaseView, databaseRole, unseen } from "./view.ts";
import { DatabaseWatcher } from "./watcher.ts";
import type { Witness } from "./witness.ts";

const steadyIntervalMs = 250;
/** Just after the writable database was lost, requests wait: look more often where looking costs little. */
const urgentIntervalMs = 20;
const urgentForMs = 60_000;
/** Later nobody waits any more, but a promotion should still be noticed soon; and a new connection costs both sides. */
const patientIntervalMs = 100;

/** So often the connections to a standby are made ready for writes again. */
const warmAgainMs = 60_000;

/** What is known of all databases at this moment. */
export interface ClusterState {
  readonly views: readonly DatabaseView[];
  readonly choice: Choice;
  /** When a writable database was seen last, per database; milliseconds since the epoch. */
  readonly writableSeenAt: ReadonlyMap<DatabaseName, number>;
}

/** How the databases of the model are reached. */
export interface ClusterSettings {
  readonly databases: readonly ConnectionSettings[];
  readonly poolSize: number;
  /** How long a request may wait for a free connection. */
  readonly poolWaitSeconds: number;
}

interface Node {
  readonly fingerprint: string;
  readonly watcher: DatabaseWatcher;
  readonly pool: DatabasePool;
  /** When connections were made ready; milliseconds since the epoch. */
  warmedAt: number;
}

/** The databases of the model: watched, chosen from, connected to. Never throws because one is lost. */
export class Cluster {
  readonly #server: ServerName;
  readonly #witness: Witness;
  readonly #rehearsal: string;
  readonly #log: Logger;
  /** Databases that refuse this server's password. */
  readonly refusals: Refusals;
  readonly #nodes = new Map<DatabaseName, Node>();
  readonly #views = new Map<DatabaseName, DatabaseView>();
  readonly #details = new Map<DatabaseName, DatabaseDetail>();
  readonly #writableSeenAt = new Map<DatabaseName, number>();
  readonly #listeners = new Set<(state: ClusterState) => void>();
  #choice: Choice = { writable: null, readable: null, refused: [], conflict: null };
  readonly #startedAt = Date.now();
  #stopped = false;

  /** @param rehearsal SQL that each connection runs that is kept ready */
  constructor(server: ServerName, witness: Witness, rehearsal: string, log: Logger) {
    this.#server = server;
    this.#rehearsal = rehearsal;
    this.#witness = witness;
    this.#log = log;
    this.refusals = new Refusals(log);
  }

  get state(): ClusterState {
    return { views: [...this.#views.values()], choice: this.#choice, writableSeenAt: this.#writableSeenAt };
  }

  /**
   * Watches and connects to these databases. Those whose settings did not change are left as they
   * are; of the others the old connections end when the requests that use them are done.
   */
  configure(settings: ClusterSettings): void {
    const wanted = new Set(settings.databases.map(({ target }) => target.name));
    for (const name of this.#nodes.keys()) {
      if (!wanted.has(name)) this.#forget(name);
    }
    for (const database of settings.databases) {
      const fingerprint = JSON.stringify([database, settings.poolSize, settings.poolWaitSeconds]);
      const { name } = database.target;
      if (this.#nodes.get(name)?.fingerprint === fingerprint) continue;
      this.#retire(name);
      this.#views.set(name, this.#views.get(name) ?? unseen(name));
      const watcher: DatabaseWatcher = new DatabaseWatcher(
        database,
        { intervalMs: (isConnected) => this.#intervalMs(isConnected) },
        (view): Promise<void> => this.#accept(watcher, view),
        (detail) => {
          if (this.#nodes.get(name)?.watcher === watcher) this.#acceptDetail(name, detail);
        },
        this.refusals,
      );
      const pool = new DatabasePool(
        database,
        { ...settings, rehearsal: this.#rehearsal },
        this.refusals,
        this.#log,
      );
      this.#nodes.set(name, { fingerprint, watcher, pool, warmedAt: 0 });
      watcher.start();
    }
  }

  /** The connections to a database of this model. */
  pool(name: DatabaseName): DatabasePool {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`${name}: no such database in this model`);
    return node.pool;
  }

  view(name: DatabaseName): DatabaseView {
    return this.#views.get(name) ?? unseen(name);
  }

  /** What was seen last beside the view; null while the database does not answer, and before the first look. */
  detail(name: DatabaseName): DatabaseDetail | null {
    return this.#details.get(name) ?? null;
  }

  /** Looks at every database at once: a request has met an error that says that something changed. */
  lookNow(): void {
    for (const { watcher } of this.#nodes.values()) watcher.lookNow();
  }

  /**
   * Looks at a database again at once, and waits until a look has ended since, at most until `deadline` (milliseconds
   * since the epoch). One look tells everybody who has met the same error.
   */
  async lookAgain(name: DatabaseName, deadline: number): Promise<void> {
    const askedAt = Date.now();
    this.lookNow();
    await this.waitFor(() => {
      const view = this.#views.get(name);
      return view === undefined || (view.observedAt ?? 0) >= askedAt ? true : null;
    }, deadline);
  }

  /** Calls back after each observation, until the returned function is called. */
  subscribe(listener: (state: ClusterState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Waits until `found` gives a value from the state, at most until `deadline`
   * (milliseconds since the epoch) or until `signal` says that nobody waits any more.
   *
   * @returns the value, or null when the time was up.
   */
  waitFor<T>(
    found: (state: ClusterState) => T | null,
    deadline: number,
    signal?: AbortSignal,
  ): Promise<T | null> {
    const now = found(this.state);
    if (now !== null || this.#stopped || signal?.aborted === true) return Promise.resolve(now);
    return new Promise((resolve) => {
      const finish = (value: T | null): void => {
        clearTimeout(timer);
        unsubscribe();
        signal?.removeEventListener("abort", onAbort);
        resolve(value);
      };
      const onAbort = (): void => finish(null);
      const timer = setTimeout(() => finish(null), Math.max(0, deadline - Date.now()));
      const unsubscribe = this.subscribe((state) => {
        const value = found(state);
        if (value !== null || this.#stopped) finish(value);
      });
      signal?.addEventListener("abort", onAbort);
    });
  }

  /** Stops watching and closes every connection once the requests that use them are done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#notify();
    await Promise.all(
      [...this.#nodes.values()].flatMap(({ watcher, pool }) => [watcher.stop(), pool.drain()]),
    );
  }

  /** Cuts every connection now: what is still in use fails. */
  cut(): void {
    for (const { pool } of this.#nodes.values()) pool.cut();
  }

  async #accept(watcher: DatabaseWatcher, view: DatabaseView): Promise<void> {
    const node = this.#nodes.get(view.name);
    if (node?.watcher !== watcher) return; // retired meanwhile
    // On disk before it counts: a database is never used on a timeline that could be forgotten.
    if (view.systemId !== null && view.timeline !== null) {
      await this.#witness.observe(view.systemId, view.timeline);
      if (this.#nodes.get(view.name) !== node) return; // retired while that was written down
    }
    const before = this.view(view.name);
    this.#views.set(view.name, view);
    if (!view.reachable) this.#details.delete(view.name);
    this.#choose(view);
    if (describe(before) !== describe(view)) {
      this.#log.info(
        { database: view.name, role: databaseRole(view), timeline: view.timeline, problem: view.problem },
        "database observed",
      );
    }
    if (view.reachable && (!before.reachable || this.#isDue(view, node))) {
      node.warmedAt = Date.now();
      void node.pool.warm();
    }
    if (!view.reachable && before.reachable) node.pool.cut();
    this.#notify();
  }

  /** What a connection knows of the catalogue goes out of date; where a promotion may come it is renewed. */
  #isDue({ inRecovery }: DatabaseView, { warmedAt }: Node): boolean {
    return inRecovery === true && Date.now() - warmedAt >= warmAgainMs;
  }

  #acceptDetail(name: DatabaseName, detail: DatabaseDetail | Error): void {
    if (!(detail instanceof Error)) {
      this.#details.set(name, detail);
      return;
    }
    this.#details.delete(name);
    this.#log.info({ database: name, err: detail }, "a database did not tell its details");
  }

  #choose(latest: DatabaseView): void {
    const before = this.#choice;
    this.#choice = choose(this.#server, [...this.#views.values()], this.#witness.highest);
    const { writable, readable, refused, conflict } = this.#choice;
    if (writable !== null && writable === latest.name && latest.observedAt !== null) {
      this.#writableSeenAt.set(writable, latest.observedAt);
    }
    if (writable !== before.writable || readable !== before.readable) {
      this.#log.info({ writable, readable }, "databases chosen");
      // The other view may be old: make sure of it.
      this.lookNow();
    }
    if (conflict !== null && conflict !== before.conflict)
      this.#log.error({ conflict }, "two writable databases");
    for (const { name, reason } of refused) {
      if (!before.refused.some((old) => old.name === name && old.reason === reason)) {
        this.#log.error({ database: name, reason }, "database refused for writes");
      }
    }
  }

  #intervalMs(isConnected: boolean): number {
    if (this.#choice.writable !== null) return steadyIntervalMs;
    if (!isConnected) return patientIntervalMs;
    const lostAt = Math.max(this.#startedAt, ...this.#writableSeenAt.values());
    return Date.now() - lostAt < urgentForMs ? urgentIntervalMs : patientIntervalMs;
  }

  /** A database that the model no longer has is not chosen any more, whatever was seen of it last. */
  #forget(name: DatabaseName): void {
    this.#retire(name);
    this.#views.delete(name);
    this.#details.delete(name);
    this.#writableSeenAt.delete(name);
    this.#choice = choose(this.#server, [...this.#views.values()], this.#witness.highest);
    this.#log.info({ database: name }, "database left the model");
    this.#notify();
  }

  #retire(name: DatabaseName): void {
    const node = this.#nodes.get(name);
    if (node === undefined) return;
    this.#nodes.delete(name);
    const ended = Promise.all([node.watcher.stop(), node.pool.drain()]);
    ended.catch((error: unknown) =>
      this.#log.warn({ err: error, database: name }, "old connections did not end cleanly"),
    );
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener(this.state);
  }
}

function describe(view: DatabaseView): string {
  return JSON.stringify({ ...view, observedAt: null });
}
