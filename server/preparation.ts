import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseName, ServerName } from "../core/vocabulary.ts";
import { highestSequence } from "./audit/store.ts";
import type { Cluster, ClusterState } from "./databases/cluster.ts";
import { classifyFailure } from "./databases/errors.ts";
import { type Reader, ReadUnavailable } from "./databases/reader.ts";
import type { Logger } from "./log.ts";
import { migrationNames } from "./migrations/list.ts";
import { writeTarget } from "./writes/writer.ts";

const retryMs = 1000;

/** The key file of this server is not the one that sealed the secrets. The server must not serve. */
export class WrongKeyError extends Error {
  constructor(own: readonly string[], stored: readonly string[]) {
    super(
      `encryption key: this server's key has the fingerprint ${own.join(", ")}, the database uses ` +
        `${stored.join(", ")}. Give this server the key file of the others; it serves nothing until then.`,
    );
    this.name = "WrongKeyError";
  }
}

export interface PreparationDeps {
  readonly server: ServerName;
  readonly cluster: Cluster;
  readonly reader: Reader;
  readonly log: Logger;
  /** Of the key file, the current key first. */
  readonly keyFingerprints: () => readonly string[];
  readonly holdSeconds: () => number;
  /** Runs the migrations on that database; resolves with the names of those that ran. */
  readonly migrate: (database: DatabaseName) => Promise<readonly string[]>;
  /** Makes keys known to that database, which knows another one of this server's. */
  readonly registerKeys: (database: DatabaseName, fingerprints: readonly string[]) => Promise<void>;
  /** Called with the highest number of this server's audit events, before the server counts as ready. */
  readonly onPrepared: (highestSequence: number) => Promise<void>;
  /** Called once, when the key turns out to be the wrong one. */
  readonly onWrongKey: (error: WrongKeyError) => void;
}

/**
 * Makes sure, in the background and for as long as it takes, that the schema is there and that the
 * key file is the right one; again whenever another database system appears.
 */
export class Preparation {
  readonly #deps: PreparationDeps;
  readonly #stop = new AbortController();
  #preparedSystem: string | null = null;
  #again = false;
  #schema: readonly string[] = [];
  #loop: Promise<void> | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(deps: PreparationDeps) {
    this.#deps = deps;
  }

  /** True once schema and key have been found right in the database system that is in use. */
  get ready(): boolean {
    return this.#preparedSystem !== null;
  }

  /** True as soon as this server is ready; false when it is not within the time for which requests are held. */
  readySoon(): Promise<boolean> {
    if (this.ready) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(finish);
        resolve(this.ready);
      };
      const timer = setTimeout(finish, this.#deps.holdSeconds() * 1000);
      this.#waiting.add(finish);
    });
  }

  /** The migrations found in the database, in order. */
  get schema(): readonly string[] {
    return this.#schema;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    for (const finish of this.#waiting) finish();
    await this.#loop;
  }

  /** Checks everything once more, as after a new key file. Requests go on meanwhile. */
  again(): void {
    this.#again = true;
    this.#deps.cluster.lookNow();
  }

  async #run(): Promise<void> {
    const { cluster, log } = this.#deps;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const system = await cluster.waitFor((state) => this.#unprepared(state), Date.now() + 60_000, signal);
      if (system === null) continue;
      try {
        this.#again = false;
        await this.#prepare();
        this.#preparedSystem = system;
        for (const finish of this.#waiting) finish();
        log.info({ systemId: system, schema: this.#schema }, "schema and key are in order");
      } catch (error) {
        if (error instanceof WrongKeyError) {
          this.#deps.onWrongKey(error);
          return;
        }
        const expected = error instanceof ReadUnavailable || classifyFailure(error) !== "other";
        this.#again = true;
        log[expected ? "info" : "error"]({ err: error }, "the database is not prepared yet, trying again");
        await sleep(retryMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
      }
    }
  }

  #unprepared(state: ClusterState): string | null {
    const system = state.views.find(({ name }) => name === state.choice.readable)?.systemId ?? null;
    return system === this.#preparedSystem && !this.#again ? null : system;
  }

  async #prepare(): Promise<void> {
    const { server, cluster, reader, log } = this.#deps;
    const target = writeTarget(server, cluster.state, Date.now(), this.#deps.holdSeconds());
    if (target !== "wait" && target !== "refuse") {
      const ran = await this.#deps.migrate(target);
      if (ran.length > 0) log.info({ database: target, migrations: ran }, "schema migrated");
    }
    const { value } = await reader.run(async (client) => {
      const executed = await client.query<{ name: string }>(
        "select name from vault.schema_migrations order by name",
      );
      const keys = await client.query<{ fingerprint: string; used: boolean }>(
        `select fingerprint, exists (select from vault.resources where secret_key_id = fingerprint) as used
         from vault.encryption_keys`,
      );
      const current = migrationNames.every((name) => executed.rows.some((row) => row.name === name));
      return {
        highest: current ? await highestSequence(client, server) : 0,
        schema: executed.rows.map(({ name }) => name),
        fingerprints: keys.rows.map(({ fingerprint }) => fingerprint),
        used: keys.rows.flatMap(({ fingerprint, used }) => (used ? [fingerprint] : [])),
      };
    });
    const own = this.#deps.keyFingerprints();
    // Every secret must open, and a key that the database does not know yet comes beside one that it knows.
    const unknown = value.used.filter((fingerprint) => !own.includes(fingerprint));
    if (unknown.length > 0) throw new WrongKeyError(own, unknown);
    if (value.fingerprints.length > 0 && !value.fingerprints.some((known) => own.includes(known))) {
      throw new WrongKeyError(own, value.fingerprints);
    }
    // Also one that seals nothing yet: it is known before the file that makes it the first can arrive.
    const unregistered = own.filter((fingerprint) => !value.fingerprints.includes(fingerprint));
    if (target !== "wait" && target !== "refuse" && unregistered.length > 0) {
      await this.#deps.registerKeys(target, unregistered);
    }
    const missing = migrationNames.filter((name) => !value.schema.includes(name));
    if (missing.length > 0) {
      throw new ReadUnavailable(
        "not-prepared",
        `the schema is older than this server: ${missing.join(", ")} not run yet`,
      );
    }
    await this.#deps.onPrepared(value.highest);
    this.#schema = value.schema;
  }
}
