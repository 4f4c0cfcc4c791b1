import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseCronItems, type Runner, run, type WorkerEvents } from "graphile-worker";
import type { Pool } from "pg";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { type ConnectionSettings, clientOptions } from "../databases/connection.ts";
import { classifyFailure } from "../databases/errors.ts";
import type { Logger } from "../log.ts";
import { libraryPool } from "./libraryPool.ts";
import { libraryLogger } from "./logger.ts";

/** What is waited for when the work has to stop: the lease is another server's then. */
const stopLimitMs = 3000;

export interface WorkOptions {
  readonly database: DatabaseName;
  readonly settings: ConnectionSettings;
  readonly log: Logger;
  /** By name: when, as a crontab says it, and what. */
  readonly tasks: Readonly<Record<string, { readonly schedule: string; readonly run: () => Promise<void> }>>;
}

/** The job library at work on one database, from `begin` to `end`. */
export class Work {
  readonly database: DatabaseName;
  /** What its connections are made with, to be compared. */
  readonly connection: string;
  readonly #log: Logger;
  readonly #pool: Pool;
  readonly #ending: AbortController;
  readonly #runner: Runner;
  #isStopped = false;
  #problem: unknown = null;

  private constructor(options: WorkOptions, pool: Pool, ending: AbortController, runner: Runner) {
    this.database = options.database;
    this.connection = JSON.stringify(options.settings);
    this.#log = options.log;
    this.#pool = pool;
    this.#ending = ending;
    this.#runner = runner;
    const onStopped = (error: unknown): void => {
      this.#isStopped = true;
      this.#problem ??= error ?? new Error("the job library has stopped");
    };
    runner.promise.then(() => onStopped(null), onStopped);
    // The library goes on without the worker that could not say how its job ended: nobody would work any more.
    runner.events.on("worker:fatalError", ({ error }) => {
      this.#problem ??= error;
    });
  }

  /** @throws the driver's error; nothing is left of it then. */
  static async begin(options: WorkOptions): Promise<Work> {
    const { database, settings, log, tasks } = options;
    const ending = new AbortController();
    const onFailure = (error: unknown): void => {
      const level = classifyFailure(error) === "other" ? "error" : "debug";
      log[level]({ err: error, database }, "scheduled work waits for the database");
    };
    const pool = libraryPool(
      { ...clientOptions(settings, new Set<Socket>()), max: 4 },
      ending.signal,
      onFailure,
    );
    const onBroken = (error: Error): void => log.debug({ err: error, database }, "connection lost");
    pool.on("error", onBroken);
    pool.on("connect", (client) => client.on("error", onBroken));
    try {
      const entries = Object.entries(tasks);
      const runner = await run({
        pgPool: pool,
        events: new EventEmitter() as WorkerEvents,
        logger: libraryLogger(log),
        concurrency: 1,
        pollInterval: 1000,
        noHandleSignals: true,
        parsedCronItems: parseCronItems(entries.map(([task, { schedule }]) => ({ task, match: schedule }))),
        taskList: Object.fromEntries(entries.map(([name, task]) => [name, task.run])),
      });
      return new Work(options, pool, ending, runner);
    } catch (error) {
      ending.abort();
      await pool.end();
      throw error;
    }
  }

  /** Why it does not go on by itself; null while it does. */
  get problem(): unknown {
    return this.#problem;
  }

  /** Stops it, and lets a run that is under way finish; after a few seconds without it. */
  async end(): Promise<void> {
    this.#ending.abort();
    const stopped = this.#isStopped ? Promise.resolve() : this.#runner.stop();
    const quietly = stopped.catch((error: unknown) => {
      this.#log.info({ err: error }, "scheduled work could not be stopped cleanly");
    });
    await Promise.race([quietly, sleep(stopLimitMs)]);
    await Promise.race([this.#pool.end(), sleep(stopLimitMs)]);
  }
}
