import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Nodes } from "./nodes.ts";

/** What became of a load. */
export interface LoadReport {
  readonly acknowledged: number;
  /** Answers other than 201, and connections without any, before the same write was sent again. */
  readonly refusals: Readonly<Record<string, number>>;
  /** The longest time between two acknowledged writes, in seconds. */
  readonly longestGapSeconds: number;
}

/**
 * Several clients that write unique values through the gateway, one after the other each. A write that is not
 * acknowledged is sent again, with the same idempotency key, until it is: as a good client does.
 */
export class WriteLoad {
  readonly #nodes: Nodes;
  readonly #name = `load-${randomBytes(4).toString("hex")}`;
  readonly #acknowledged: string[] = [];
  readonly #acknowledgedAt: number[] = [];
  readonly #refusals = new Map<string, number>();
  readonly #clients: Promise<void>[];
  #isStopping = false;

  private constructor(nodes: Nodes, clients: number) {
    this.#nodes = nodes;
    this.#clients = Array.from({ length: clients }, (_, client) => this.#write(client));
  }

  /** Starts to write; returns once the first writes are acknowledged. */
  static async start(nodes: Nodes, clients = 4): Promise<WriteLoad> {
    const load = new WriteLoad(nodes, clients);
    await load.more(clients * 2);
    return load;
  }

  /** Waits until that many more writes are acknowledged. */
  async more(writes: number, seconds = 60): Promise<void> {
    const wanted = this.#acknowledged.length + writes;
    const deadline = Date.now() + seconds * 1000;
    while (this.#acknowledged.length < wanted) {
      if (Date.now() > deadline)
        throw new Error(`no ${writes} more writes within ${seconds} s: ${JSON.stringify(this.#report())}`);
      await sleep(20);
    }
  }

  /** Ends the writing once every client's last write is acknowledged. */
  async stop(): Promise<LoadReport> {
    this.#isStopping = true;
    await Promise.all(this.#clients);
    return this.#report();
  }

  /** Every acknowledged write is in the database, and none of all is there twice. */
  async verify(database: string): Promise<void> {
    const rows = await this.#nodes.sql(
      database,
      `SELECT name, count(*) FROM vault.resources WHERE name LIKE '${this.#name}-%' GROUP BY name`,
      "vault",
    );
    const counts = new Map(rows.split("\n").map((row) => row.split("|") as [string, string]));
    expect(this.#acknowledged.length).toBeGreaterThan(0);
    expect(this.#acknowledged.filter((name) => !counts.has(name))).toEqual([]);
    expect([...counts].filter(([, count]) => count !== "1")).toEqual([]);
  }

  async #write(client: number): Promise<void> {
    for (let number = 0; !this.#isStopping; number++) {
      const name = `${this.#name}-${client}-${number}`;
      while (!(await this.#attempt(name))) await sleep(20);
    }
  }

  async #attempt(name: string): Promise<boolean> {
    try {
      const { status } = await this.#nodes.request("gateway", "/api/resources", {
        method: "POST",
        headers: { "idempotency-key": name },
        body: { name, account: "load", secret: name },
        timeoutSeconds: 15,
      });
      if (status === 201) {
        this.#acknowledged.push(name);
        this.#acknowledgedAt.push(performance.now());
        return true;
      }
      this.#count(String(status));
    } catch (error) {
      this.#count(error instanceof Error && "code" in error ? String(error.code) : String(error));
    }
    return false;
  }

  #count(refusal: string): void {
    this.#refusals.set(refusal, (this.#refusals.get(refusal) ?? 0) + 1);
  }

  #report(): LoadReport {
    const gaps = this.#acknowledgedAt.slice(1).map((at, index) => at - (this.#acknowledgedAt[index] ?? at));
    return {
      acknowledged: this.#acknowledged.length,
      refusals: Object.fromEntries(this.#refusals),
      longestGapSeconds: Math.round(Math.max(0, ...gaps)) / 1000,
    };
  }
}
