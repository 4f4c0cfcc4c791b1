import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { electsItself, type Leader } from "../../core/alerts/election.ts";
import type { ServerName } from "../../core/vocabulary.ts";
import type { Cluster } from "../databases/cluster.ts";
import { classifyFailure } from "../databases/errors.ts";
import type { Logger } from "../log.ts";
import type { PeerView } from "../overview/peers.ts";
import { dropLease, leaseIntervalMs, leaseSeconds, takeLease } from "../schedule/lease.ts";

/** An elected server waits so long before it sends: meanwhile another may show itself. */
const settleMs = 3000;

export interface LeadershipDeps {
  readonly server: ServerName;
  readonly cluster: Cluster;
  readonly ready: () => boolean;
  readonly peers: () => readonly PeerView[];
  readonly log: Logger;
}

/**
 * Which server sends: whoever holds a lease in the writable database; where no server gets an answer from one, the first
 * of the servers that reach each other.
 */
export class Leadership {
  readonly #deps: LeadershipDeps;
  readonly #holder: string;
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  #lease: { readonly isMine: boolean; readonly askedAt: number } = {
    isMine: false,
    askedAt: performance.now(),
  };
  #entitledSince: number | null = null;

  constructor(deps: LeadershipDeps) {
    this.#deps = deps;
    this.#holder = `alerts ${deps.server} ${randomUUID()}`;
    this.#loop = this.#run();
  }

  /** By what this server sends now; null while another does. */
  get leader(): Leader | null {
    const { server, peers } = this.#deps;
    const now = performance.now();
    const silent = now - this.#lease.askedAt;
    // Before anybody else can hold the lease, this server has stopped.
    if (silent <= leaseSeconds * 1000 - leaseIntervalMs) {
      this.#entitledSince = null;
      return this.#lease.isMine ? "lease" : null;
    }
    const others = peers().map(({ name, answer }) => ({
      name,
      state: answer?.self.state ?? null,
      leader: answer?.alerts?.leader ?? null,
      watches: answer?.alerts !== undefined,
    }));
    if (silent <= leaseSeconds * 1000 || !electsItself(server, others)) {
      this.#entitledSince = null;
      return null;
    }
    this.#entitledSince ??= now;
    return now - this.#entitledSince >= settleMs ? "election" : null;
  }

  /** Hands the lease over. */
  async stop(): Promise<void> {
    const { cluster, log } = this.#deps;
    this.#stop.abort();
    await this.#loop;
    const { writable } = cluster.state.choice;
    if (!this.#lease.isMine || writable === null) return;
    this.#lease = { ...this.#lease, isMine: false };
    try {
      await cluster.pool(writable).using((client) => dropLease(client, this.#holder));
    } catch (error) {
      log.info({ err: error }, "the lease of alerts ends by itself");
    }
  }

  async #run(): Promise<void> {
    const { log, cluster, ready, server } = this.#deps;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const { writable } = cluster.state.choice;
        if (writable !== null && ready()) {
          const askedAt = performance.now();
          const lease = await cluster
            .pool(writable)
            .using((client) => takeLease(client, "alerts", this.#holder, server));
          if (lease === "taken") log.info("this server sends the alerts");
          this.#lease = { isMine: lease !== "other", askedAt };
        }
      } catch (error) {
        const level = classifyFailure(error) === "other" ? "error" : "debug";
        log[level]({ err: error }, "alerts: the lease could not be asked for");
      }
      await sleep(leaseIntervalMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    }
  }
}
