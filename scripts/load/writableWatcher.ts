import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { DatabaseNode } from "../../core/topology.ts";
import type { DeployedStack } from "../cli/pulumi.ts";
import { connectDatabase, type DatabaseAccess } from "../observe/postgres.ts";

const sampleMs = 50;

/**
 * Looks at both databases every 50 ms, over connections of its own, and notes whenever both accepted writes at one
 * moment. One is asked, then the other, then the first again: a swap between two questions is not mistaken for two.
 */
export class WritableWatcher {
  readonly #first: Probe;
  readonly #second: Probe;
  readonly #loop: Promise<void>;
  #isStopping = false;
  /** Samples in which exactly one accepted writes, and in which none did. */
  readonly samples = { one: 0, none: 0 };
  readonly twoWritable: string[] = [];

  /** Begins to watch. */
  constructor({ topology, access }: DeployedStack) {
    const [first, second] = topology.databases;
    if (!first || !second) throw new Error("the model has only one database");
    const login = { ca: access.caCertificate, user: "monitoring", password: access.monitoringPassword };
    this.#first = new Probe(first, login);
    this.#second = new Probe(second, login);
    this.#loop = this.#watch();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#loop;
    await Promise.all([this.#first.end(), this.#second.end()]);
  }

  async #watch(): Promise<void> {
    while (!this.#isStopping) {
      const first = await this.#first.isWritable();
      const second = await this.#second.isWritable();
      if (first && second && (await this.#first.isWritable()))
        this.twoWritable.push(new Date().toISOString());
      else if (first || second) this.samples.one++;
      else this.samples.none++;
      await sleep(sampleMs);
    }
  }
}

/** One database, asked whether it accepts writes. */
class Probe {
  readonly #database: DatabaseNode;
  readonly #login: DatabaseAccess;
  #client: pg.Client | undefined;

  constructor(database: DatabaseNode, login: DatabaseAccess) {
    this.#database = database;
    this.#login = login;
  }

  async isWritable(): Promise<boolean> {
    try {
      this.#client ??= await connectDatabase(this.#database, this.#login);
      const { rows } = await this.#client.query<{ writable: boolean }>(
        "SELECT NOT pg_is_in_recovery() AS writable",
      );
      return rows[0]?.writable === true;
    } catch {
      // One that does not answer accepts nothing from here; the next sample connects again.
      await this.end();
      return false;
    }
  }

  async end(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    // A connection that has broken already has no orderly end.
    await client?.end().catch(() => undefined);
  }
}
