import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseName, ServerName } from "../../core/vocabulary.ts";
import type { AuditTrail } from "../audit/trail.ts";
import type { Cipher } from "../crypto/cipher.ts";
import type { Cluster } from "../databases/cluster.ts";
import type { ConnectionSettings } from "../databases/connection.ts";
import { classifyFailure } from "../databases/errors.ts";
import type { Logger } from "../log.ts";
import { dropLease, leaseIntervalMs, leaseSeconds, takeLease } from "./lease.ts";
import { type Task, tasksWith } from "./tasks.ts";
import { Work } from "./work.ts";

export interface SchedulerDeps {
  readonly server: ServerName;
  readonly cluster: Cluster;
  readonly trail: AuditTrail;
  readonly log: Logger;
  readonly ready: () => boolean;
  readonly cipher: () => Cipher;
  readonly auditRetentionDays: () => number;
  /** Undefined where none are made. */
  readonly backups: () => { readonly schedule: string } | undefined;
  readonly connection: (database: DatabaseName) => ConnectionSettings;
}

/**
 * Scheduled work: at any time on exactly one read/write server, which holds a lease in the writable database; never on
 * the read-only server. Another server takes over within 10 s.
 */
export class Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #holder: string;
  readonly #stop = new AbortController();
  #work: Work | null = null;
  /** The timetable that the work was begun with. */
  #timetable = "";
  #loop: Promise<void> | null = null;
  /** By a clock that nobody sets. */
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
    const database = this.#work?.database;
    await this.#end();
    if (database === undefined) return;
    try {
      await this.#deps.cluster.pool(database).using((client) => dropLease(client, this.#holder));
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
      if (
        this.#work !== null &&
        performance.now() - this.#renewedAt > leaseSeconds * 1000 - leaseIntervalMs
      ) {
        await this.#end();
      }
      await sleep(leaseIntervalMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    }
  }

  async #turn(): Promise<void> {
    const { cluster, ready, server, log } = this.#deps;
    const { writable } = cluster.state.choice;
    if (this.#work !== null && this.#work.database !== writable) await this.#end();
    if (writable === null || !ready()) return;
    if (this.#work !== null && this.#work.problem !== null) {
      log.warn({ err: this.#work.problem }, "scheduled work has ended unexpectedly; begun again");
      await this.#end();
    }
    // What was read again meanwhile, passwords and certificates above all, holds for this work too.
    const isOther =
      this.#work?.connection !== this.#connection(writable) || this.#timetable !== this.#currentTimetable;
    if (this.#work !== null && isOther) await this.#end();
    const askedAt = performance.now();
    const lease = await cluster
      .pool(writable)
      .using((client) => takeLease(client, "schedule", this.#holder, server));
    if (lease === "other") return await this.#end();
    this.#renewedAt = askedAt;
    this.#work ??= await this.#begin(writable);
  }

  /** Everything that a connection is made with, to be compared. */
  #connection(database: DatabaseName): string {
    return JSON.stringify(this.#deps.connection(database));
  }

  get #currentTimetable(): string {
    return JSON.stringify(tasksWith(this.#deps.backups()).map(([name, { schedule }]) => [name, schedule]));
  }

  async #begin(database: DatabaseName): Promise<Work> {
    const { cluster, log, server } = this.#deps;
    // Nobody else works: what is locked was left by a server that died.
    await cluster.pool(database).using((client) =>
      client.query(
        `select graphile_worker.force_unlock_workers(array(
           select distinct locked_by from graphile_worker.jobs where locked_by is not null))`,
      ),
    );
    this.#timetable = this.#currentTimetable;
    const work = await Work.begin({
      database,
      settings: this.#deps.connection(database),
      log,
      tasks: Object.fromEntries(
        tasksWith(this.#deps.backups()).map(([name, task]) => [
          name,
          { schedule: task.schedule, run: () => this.#perform(database, name, task) },
        ]),
      ),
    });
    log.info({ database, server }, "this server runs the scheduled work");
    return work;
  }

  async #end(): Promise<void> {
    const work = this.#work;
    if (work === null) return;
    this.#work = null;
    await work.end();
    this.#deps.log.info("this server does not run the scheduled work any more");
  }

  /** One run, with its audit event. A failure is tried again by the library. */
  async #perform(database: DatabaseName, name: string, task: Task): Promise<void> {
    const { trail, cluster, cipher, server, auditRetentionDays, log } = this.#deps;
    const actor = `server ${server}`;
    const subject = { kind: "task", operation: `task.${name}`, actor, actorId: null, address: null } as const;
    const open = await trail.begin(subject);
    try {
      const details = await cluster
        .pool(database)
        .using((client) =>
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
}
