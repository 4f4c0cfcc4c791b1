import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseCronItems, type Runner, run } from "graphile-worker";
import pg from "pg";
import type { DatabaseName, ServerName } from "../../core/vocabulary.ts";
import type { AuditTrail } from "../audit/trail.ts";
import type { Cipher } from "../crypto/cipher.ts";
import type { Cluster } from "../databases/cluster.ts";
import { type ConnectionSettings, clientOptions } from "../databases/connection.ts";
import { classifyFailure } from "../databases/errors.ts";
import type { Logger } from "../log.ts";
import { dropLease, leaseIntervalMs, leaseSeconds, takeLease } from "./lease.ts";
import { libraryLogger } from "./logger.ts";
import { type Task, tasks } from "./tasks.ts";

/** What is waited for when the work has to stop: the lease is another server's then. */
const stopLimitMs = 3000;

export interface SchedulerDeps {
  readonly server: ServerName;
  readonly cluster: Cluster;
  readonly trail: AuditTrail;
  readonly log: Logger;
  readonly ready: () => boolean;
  readonly cipher: () => Cipher;
  readonly auditRetentionDays: () => number;
  readonly connection: (database: DatabaseName) => ConnectionSettings;
}

interface Running {
  readonly database: DatabaseName;
  /** What it was begun with. */
  readonly connection: string;
  readonly runner: Runner;
  readonly pool: pg.Pool;
}

/**
 * Scheduled work: at any time on exactly one read/write server, which holds a lease in the writable database; never on
 * the read-only server. Another server takes over within 10 s.
 */
export class Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #holder: string;
  readonly #stop = new AbortController();
  #running: Running | null = null;
  #loop: Promise<void> | null = null;
  #renewedAt = 0;

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
    this.#holder = `${deps.server} ${randomUUID()}`;
  }

  start(): void {
    if (this.#deps.server !== "read-only") this.#loop ??= this.#run();
  }

  /** Ends the work, lets a run that is under way finish, and hands the lease over. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    const database = this.#running?.database;
    await this.#end();
    if (database === undefined) return;
    try {
      await this.#using(database, (client) => dropLease(client, this.#holder));
    } catch (error) {
      this.#deps.log.info({ err: error }, "the lease of scheduled work ends by itself");
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#turn();
      } catch (error) {
        const level = classifyFailure(error) === "other" ? "error" : "debug";
        this.#deps.log[level]({ err: error }, "scheduled work: the lease could not be asked for");
      }
      // Before anybody else can hold the lease, this server has stopped.
      if (this.#running !== null && Date.now() - this.#renewedAt > leaseSeconds * 1000 - leaseIntervalMs) {
        await this.#end();
      }
      await sleep(leaseIntervalMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    }
  }

  async #turn(): Promise<void> {
    const { cluster, ready, server } = this.#deps;
    const { writable } = cluster.state.choice;
    if (this.#running !== null && this.#running.database !== writable) await this.#end();
    if (writable === null || !ready()) return;
    // What was read again meanwhile, passwords and certificates above all, holds for this work too.
    if (this.#running !== null && this.#running.connection !== this.#connection(writable)) await this.#end();
    const askedAt = Date.now();
    const lease = await this.#using(writable, (client) =>
      takeLease(client, "schedule", this.#holder, server),
    );
    if (lease === "other") return await this.#end();
    this.#renewedAt = askedAt;
    this.#running ??= await this.#begin(writable);
  }

  /** Everything that a connection is made with, to be compared. */
  #connection(database: DatabaseName): string {
    return JSON.stringify(this.#deps.connection(database));
  }

  async #begin(database: DatabaseName): Promise<Running> {
    const { log, server } = this.#deps;
    const settings = this.#deps.connection(database);
    const pool = new pg.Pool({ ...clientOptions(settings, new Set<Socket>()), max: 4 });
    const onBroken = (error: Error): void => log.debug({ err: error, database }, "connection lost");
    pool.on("error", onBroken);
    pool.on("connect", (client) => client.on("error", onBroken));
    try {
      // Nobody else works: what is locked was left by a server that died.
      await pool.query(
        `select graphile_worker.force_unlock_workers(array(
           select distinct locked_by from graphile_worker.jobs where locked_by is not null))`,
      );
      const items = Object.entries(tasks).map(([task, { schedule }]) => ({ task, match: schedule }));
      const runner = await run({
        pgPool: pool,
        logger: libraryLogger(log),
        concurrency: 1,
        pollInterval: 1000,
        noHandleSignals: true,
        parsedCronItems: parseCronItems(items),
        taskList: Object.fromEntries(
          Object.entries<Task>(tasks).map(([name, task]) => [
            name,
            () => this.#perform(database, name, task),
          ]),
        ),
      });
      const running = { database, connection: JSON.stringify(settings), runner, pool };
      // It ends by itself when it cannot go on; the next turn begins anew.
      runner.promise.then(
        () => this.#over(running, null),
        (error: unknown) => this.#over(running, error),
      );
      log.info({ database, server }, "this server runs the scheduled work");
      return running;
    } catch (error) {
      await pool.end();
      throw error;
    }
  }

  #over(running: Running, error: unknown): void {
    if (this.#running !== running) return;
    this.#running = null;
    this.#deps.log.warn({ err: error }, "scheduled work has ended unexpectedly; begun again");
    void this.#endPool(running.pool);
  }

  async #end(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    const { log } = this.#deps;
    const stopped = running.runner.stop().catch((error: unknown) => {
      log.info({ err: error }, "scheduled work could not be stopped cleanly");
    });
    await Promise.race([stopped, sleep(stopLimitMs)]);
    await Promise.race([this.#endPool(running.pool), sleep(stopLimitMs)]);
    log.info("this server does not run the scheduled work any more");
  }

  async #endPool(pool: pg.Pool): Promise<void> {
    if (!pool.ending) await pool.end();
  }

  /** One run, with its audit event. A failure is tried again by the library. */
  async #perform(database: DatabaseName, name: string, task: Task): Promise<void> {
    const { trail, cluster, cipher, server, auditRetentionDays, log } = this.#deps;
    const actor = `server ${server}`;
    const subject = { kind: "task", operation: `task.${name}`, actor, actorId: null, address: null } as const;
    const open = await trail.begin(subject);
    try {
      const details = await this.#using(database, (client) =>
        task.run({ client, cluster, cipher: cipher(), server, auditRetentionDays: auditRetentionDays() }),
      );
      await trail.record(open.finished("success", { details }));
    } catch (error) {
      log.warn({ err: error, task: name }, "scheduled work failed; tried again later");
      const reason = error instanceof Error ? error.message : String(error);
      await trail.record(open.finished("failed", { details: { reason } }));
      throw error;
    }
  }

  async #using<T>(database: DatabaseName, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#deps.cluster.pool(database).connect();
    let broken = true;
    try {
      const value = await work(client);
      broken = false;
      return value;
    } finally {
      client.release(broken);
    }
  }
}
