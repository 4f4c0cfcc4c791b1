import { randomBytes } from "node:crypto";
import { Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { vaultEntries } from "../../core/topology.ts";
import type { DeployedStack } from "../cli/pulumi.ts";

/** A request that was not acknowledged; the same write is sent again with the same key. */
export interface FailedRequest {
  /** Milliseconds of the monotonic clock. */
  readonly at: number;
  readonly write: string;
  /** The HTTP status, or the error's code where there was no answer. */
  readonly status: string;
  readonly detail: string;
}

/** The time between two acknowledged writes, in milliseconds of the monotonic clock. */
export interface WriteGap {
  readonly from: number;
  readonly to: number;
  readonly seconds: number;
}

/** What became of a load. */
export interface LoadReport {
  readonly acknowledged: number;
  readonly seconds: number;
  readonly failed: readonly FailedRequest[];
  /** The longest time between two acknowledged writes, in seconds. */
  readonly writeGapSeconds: number;
}

export interface LoadOptions {
  /** @default 8 */
  readonly clients?: number;
  /** Pause of each client between two writes, in milliseconds. @default 0 */
  readonly pauseMs?: number;
}

/** How long a client waits for one answer, in seconds: longer than the servers hold a write. */
const answerSeconds = 30;

/**
 * Clients that write unique values through the gateway (where that leads to one's own application, through the first
 * server), each one after the other over one kept connection, as many as
 * are acknowledged. A write that is not acknowledged is sent again, with the same idempotency key, until it is: as a
 * good client does; it counts as failed all the same. Remembers every acknowledged write, to be compared with what is
 * there at the end (`compareWithDatabase`).
 */
export class WriteLoad {
  readonly name = `load-${randomBytes(4).toString("hex")}`;
  readonly #stack: DeployedStack;
  readonly #pauseMs: number;
  readonly #acknowledged = new Map<string, number>();
  readonly #failed: FailedRequest[] = [];
  readonly #startedAt = performance.now();
  readonly #clients: readonly Promise<void>[];
  #isStopping = false;

  private constructor(stack: DeployedStack, { clients = 8, pauseMs = 0 }: LoadOptions) {
    this.#stack = stack;
    this.#pauseMs = pauseMs;
    this.#clients = Array.from({ length: clients }, (_, client) => this.#write(client));
  }

  /** Starts to write; returns once every client has had time for its first writes. */
  static async start(stack: DeployedStack, options: LoadOptions = {}): Promise<WriteLoad> {
    const load = new WriteLoad(stack, options);
    await load.more((options.clients ?? 8) * 3);
    return load;
  }

  /** Names of the acknowledged writes, in the order of their acknowledgement. */
  get acknowledged(): readonly string[] {
    return [...this.#acknowledged.keys()];
  }

  get failed(): readonly FailedRequest[] {
    return this.#failed;
  }

  /** Waits until that many more writes are acknowledged. @throws after `seconds`, with what failed last */
  async more(writes: number, seconds = 60): Promise<void> {
    const wanted = this.#acknowledged.size + writes;
    const deadline = Date.now() + seconds * 1000;
    while (this.#acknowledged.size < wanted) {
      if (Date.now() > deadline) {
        this.#isStopping = true;
        throw new Error(
          `${wanted - this.#acknowledged.size} of ${writes} writes were not acknowledged within ${seconds} s; failed last: ${JSON.stringify(this.#failed.at(-1) ?? null)}`,
        );
      }
      await sleep(10);
    }
  }

  /** Ends the writing once every client's last write is acknowledged. */
  async stop(): Promise<LoadReport> {
    this.#isStopping = true;
    await Promise.all(this.#clients);
    return this.report();
  }

  report(): LoadReport {
    return {
      acknowledged: this.#acknowledged.size,
      seconds: (performance.now() - this.#startedAt) / 1000,
      failed: [...this.#failed],
      writeGapSeconds: this.gapSince(0).seconds,
    };
  }

  /** The longest time between two acknowledged writes of which the later came after `since` (monotonic, ms). */
  gapSince(since: number): WriteGap {
    let longest: WriteGap = { from: since, to: since, seconds: 0 };
    let from: number | undefined;
    for (const to of this.#acknowledged.values()) {
      if (from !== undefined && to >= since && to - from > longest.seconds * 1000)
        longest = { from, to, seconds: (to - from) / 1000 };
      from = to;
    }
    return longest;
  }

  /** When the first write after a moment (monotonic, ms) was acknowledged that had been sent after it. */
  firstAcknowledgedAfter(moment: number): number | undefined {
    for (const at of this.#acknowledged.values()) if (at > moment) return at;
    return undefined;
  }

  async #write(client: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: this.#stack.access.caCertificate });
    try {
      for (let number = 0; !this.#isStopping; number++) {
        const name = `${this.name}-${client}-${number}`;
        while (!(await this.#attempt(agent, name))) {
          // A deployment that never answers again must not hold the end of the load for ever.
          if (this.#isStopping && this.#hasGivenUp(name)) return;
          await sleep(20);
        }
        if (this.#pauseMs > 0) await sleep(this.#pauseMs);
      }
    } finally {
      agent.destroy();
    }
  }

  #hasGivenUp(name: string): boolean {
    return this.#failed.filter(({ write }) => write === name).length > 100;
  }

  async #attempt(agent: Agent, name: string): Promise<boolean> {
    try {
      const { status, body } = await this.#send(agent, name);
      if (status === 201) {
        this.#acknowledged.set(name, performance.now());
        return true;
      }
      this.#fail(name, String(status), body.slice(0, 300));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "error";
      this.#fail(name, code, error instanceof Error ? error.message : String(error));
    }
    return false;
  }

  #fail(write: string, status: string, detail: string): void {
    this.#failed.push({ at: performance.now(), write, status, detail });
  }

  #send(agent: Agent, name: string): Promise<{ status: number; body: string }> {
    const { topology, adminToken } = this.#stack;
    const [entry] = vaultEntries(topology);
    const payload = JSON.stringify({ name, account: "load", secret: name });
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: entry.published.address,
          port: entry.published.port,
          servername: entry.node,
          agent,
          method: "POST",
          path: "/api/resources",
          timeout: answerSeconds * 1000,
          headers: {
            authorization: `Bearer ${adminToken}`,
            "content-type": "application/json",
            "content-length": Buffer.byteLength(payload),
            "idempotency-key": name,
          },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
          incoming.on("error", reject);
          incoming.on("end", () =>
            resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
          );
        },
      );
      outgoing.on("error", reject);
      outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${answerSeconds} s`)));
      outgoing.end(payload);
    });
  }
}
