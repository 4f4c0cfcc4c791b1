import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseName, ServerName } from "../../core/vocabulary.ts";
import type { Cluster } from "../databases/cluster.ts";
import { classifyFailure } from "../databases/errors.ts";
import type { Logger } from "../log.ts";
import { type WriteTarget, writeTarget } from "../writes/writer.ts";
import type { AuditEvent, AuditOutcome, AuditSubject } from "./event.ts";
import type { SequenceNumbers } from "./numbers.ts";
import type { AuditSpool } from "./spool.ts";
import { insertEvents, NumberTaken, sealEvents } from "./store.ts";

const maxBatch = 500;
/** The database gets so long before a batch goes to the disk instead, and is left alone for a while then. */
const directLimitMs = 1000;
const directPauseMs = 3000;
const forwardIntervalMs = 250;
const sealAtMost = 5000;
/** Events that a broken connection has committed late are chained too: once more everything, after this time. */
const sealAgainMs = 60_000;
const maxLost = 10_000;

/** An event that has its number and its place in time, and waits for its outcome. */
export interface OpenEvent {
  /** The event with its outcome, to be stored in the transaction of the write that it tells of. */
  finished(outcome: AuditOutcome, more?: Pick<AuditSubject, "object" | "objectName" | "details">): AuditEvent;
}

interface Pending {
  readonly event: AuditEvent;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface TrailDeps {
  readonly server: ServerName;
  readonly cluster: Cluster;
  readonly numbers: SequenceNumbers;
  readonly spool: AuditSpool;
  readonly holdSeconds: () => number;
  readonly log: Logger;
}

/**
 * The audit of this server. An event counts as recorded when it is in the writable database, or on this server's own
 * disk when there is none; then it is forwarded as soon as there is one. Many events share one transaction or one
 * write to the disk.
 */
export class AuditTrail {
  readonly #deps: TrailDeps;
  readonly #queue: Pending[] = [];
  readonly #open = new Set<number>();
  readonly #stop = new AbortController();
  #flushing: Promise<void> | null = null;
  #directAgainAt = 0;
  #loop: Promise<void> | null = null;
  #unsealed = true;
  #sealFrom = 0;
  #sealAllAt = Date.now() + sealAgainMs;
  #highest = 0;
  /** Events that nothing took: what they tell of was refused. Recorded later, so that no number is missing. */
  readonly #lost: AuditEvent[] = [];

  constructor(deps: TrailDeps) {
    this.#deps = deps;
  }

  /** Bytes of events on this server's disk that are not in the database yet. */
  get spooledBytes(): number {
    return this.#deps.spool.bytes;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Records what waits, forwards what can be, and ends. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await this.#flushing;
    try {
      await this.#forward();
      await this.#seal();
      await this.#deps.numbers.release();
    } catch (error) {
      this.#deps.log.info({ err: error }, "audit events stay on the disk until the next start");
    }
    await this.#deps.spool.close();
  }

  /** Gives an event its number. It has to be recorded, whatever becomes of it. */
  async begin(subject: AuditSubject): Promise<OpenEvent> {
    const sequence = await this.#deps.numbers.take();
    this.#open.add(sequence);
    this.#highest = Math.max(this.#highest, sequence);
    const { kind, operation, actor, actorId, address } = subject;
    const base = { id: randomUUID(), at: new Date().toISOString(), kind, operation, actor, actorId, address };
    return {
      finished: (outcome, more = {}) => ({
        server: this.#deps.server,
        sequence,
        ...base,
        outcome,
        object: more.object ?? subject.object ?? null,
        objectName: more.objectName ?? subject.objectName ?? null,
        details: { ...subject.details, ...more.details },
      }),
    };
  }

  /**
   * Records an event: resolves once it cannot be lost any more.
   *
   * @throws SpoolUnavailable when neither database nor disk takes it.
   */
  async record(event: AuditEvent): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ event, resolve, reject });
      this.#flushing ??= this.#flush().finally(() => {
        this.#flushing = null;
      });
    });
  }

  /** The event was stored by its own transaction. */
  stored(event: AuditEvent): void {
    this.#done(event);
  }

  /** Begins and records an event at once. */
  async add(subject: AuditSubject, outcome: AuditOutcome): Promise<void> {
    await this.record((await this.begin(subject)).finished(outcome));
  }

  #done(event: AuditEvent): void {
    this.#open.delete(event.sequence);
    this.#unsealed = true;
  }

  async #flush(): Promise<void> {
    // Requests that are answered in the same turn of the event loop share a batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, maxBatch);
      const events = batch.map(({ event }) => event);
      try {
        if (!(await this.#direct(events))) await this.#deps.spool.append(events);
        for (const { event, resolve } of batch) {
          this.#done(event);
          resolve();
        }
      } catch (error) {
        for (const { event, reject } of batch) {
          if (this.#lost.length < maxLost) this.#lost.push(asFailed(event));
          else this.#open.delete(event.sequence);
          reject(error);
        }
      }
    }
  }

  /** Puts events into the database if this server may write there; false if they have to go to the disk. */
  async #direct(events: readonly AuditEvent[]): Promise<boolean> {
    const { log } = this.#deps;
    const target = this.#target();
    if (target === "wait" || target === "refuse" || Date.now() < this.#directAgainAt) return false;
    const giveUp = new AbortController();
    const insert = this.#insert(target, events).then(
      () => true,
      (error: unknown) => {
        if (error instanceof NumberTaken) this.#taken(error);
        else if (classifyFailure(error) === "other") log.error({ err: error }, "audit events go to the disk");
        else log.debug({ err: error }, "audit events go to the disk");
        return false;
      },
    );
    const limit = sleep(directLimitMs, false, { signal: giveUp.signal }).catch(() => false);
    const isStored = await Promise.race([insert, limit]);
    giveUp.abort();
    // Meanwhile it may have been stored all the same: forwarded again, it is the same event.
    if (!isStored) this.#directAgainAt = Date.now() + directPauseMs;
    return isStored;
  }

  #target(): WriteTarget {
    const { server, cluster, holdSeconds } = this.#deps;
    return writeTarget(server, cluster.state, Date.now(), holdSeconds());
  }

  async #recordLost(): Promise<void> {
    if (this.#lost.length === 0) return;
    const lost = this.#lost.splice(0);
    const results = await Promise.allSettled(lost.map((event) => this.record(event)));
    const recorded = results.filter(({ status }) => status === "fulfilled").length;
    if (recorded > 0) this.#deps.log.warn({ recorded }, "audit events of refused requests recorded");
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#recordLost();
        await this.#forward();
        await this.#seal();
      } catch (error) {
        const kind = classifyFailure(error);
        this.#deps.log[kind === "other" ? "error" : "debug"](
          { err: error },
          "audit events could not be forwarded; tried again",
        );
      }
      await sleep(forwardIntervalMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    }
  }

  /** Brings what is on the disk into the writable database, whichever server it belongs to. */
  async #forward(): Promise<void> {
    const { cluster, spool, log } = this.#deps;
    while (!spool.isEmpty) {
      const { writable } = cluster.state.choice;
      if (writable === null) return;
      const segment = await spool.oldest();
      if (segment === null) return;
      const { events, remove } = segment;
      for (let start = 0; start < events.length; start += maxBatch) {
        const batch = events.slice(start, start + maxBatch);
        try {
          await this.#insert(writable, batch);
        } catch (error) {
          if (!(error instanceof NumberTaken)) throw error;
          this.#taken(error);
          await this.#renumber(batch.filter(({ sequence }) => error.sequences.includes(sequence)));
        }
      }
      await remove();
      this.#unsealed = true;
      log.info({ events: events.length, database: writable }, "spooled audit events forwarded");
    }
  }

  /** Events whose numbers others have: they are kept, under new ones. */
  async #renumber(events: readonly AuditEvent[]): Promise<void> {
    for (const event of events) {
      const sequence = await this.#deps.numbers.take();
      const details = { ...event.details, numberBefore: event.sequence };
      await this.#deps.spool.append([{ ...event, sequence, details }]);
    }
  }

  /** A number that is taken says nothing against the connection. */
  async #insert(database: DatabaseName, events: readonly AuditEvent[]): Promise<void> {
    await this.#deps.cluster.pool(database).using(
      (client) => insertEvents(client, events),
      (error) => error instanceof NumberTaken,
    );
  }

  #taken(error: NumberTaken): void {
    this.#deps.log.error({ err: error }, error.message);
    this.#deps.numbers.skip(Math.max(...error.sequences));
  }

  async #seal(): Promise<void> {
    if (Date.now() >= this.#sealAllAt && this.#sealAllAt > 0) {
      this.#sealAllAt = 0;
      this.#sealFrom = 0;
      this.#unsealed = true;
    }
    const { cluster, server, spool } = this.#deps;
    const { writable } = cluster.state.choice;
    if (!this.#unsealed || writable === null) return;
    let sealed: number;
    do {
      this.#unsealed = false;
      // What is on the disk now is chained when it is in the database.
      const next = spool.isEmpty ? Math.min(this.#highest + 1, ...this.#open) : this.#sealFrom;
      sealed = await cluster
        .pool(writable)
        .using((client) => sealEvents(client, server, this.#sealFrom, sealAtMost));
      if (sealed < sealAtMost) this.#sealFrom = next;
    } while (sealed === sealAtMost);
  }
}

/** The event of something that was not done because nothing took its record. */
function asFailed(event: AuditEvent): AuditEvent {
  return {
    ...event,
    outcome: event.outcome === "success" ? "failed" : event.outcome,
    details: { ...event.details, reason: "the audit could not be written" },
  };
}
