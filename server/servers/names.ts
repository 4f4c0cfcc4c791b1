import type { PoolClient } from "pg";
import type { ServerName } from "../../core/vocabulary.ts";
import type { Cluster } from "../databases/cluster.ts";
import type { Reader } from "../databases/reader.ts";
import type { Logger } from "../log.ts";

const refreshMs = 1000;

export interface ServerNamesDeps {
  readonly cluster: Cluster;
  readonly reader: Reader;
  readonly ready: () => boolean;
  /** Called when a name is another one than before. */
  readonly changed: () => void;
  readonly log: Logger;
}

/** The names that people have given to servers, as the database has them; kept in memory, read again every second. */
export class ServerNames {
  readonly #deps: ServerNamesDeps;
  #names: ReadonlyMap<string, string> = new Map();
  #timer: NodeJS.Timeout | null = null;
  #reading: Promise<void> | null = null;
  #problem = "";

  constructor(deps: ServerNamesDeps) {
    this.#deps = deps;
  }

  get all(): ReadonlyMap<string, string> {
    return this.#names;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.refresh(), refreshMs);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#reading;
  }

  /** Reads them now. What cannot be read stays as it was. */
  async refresh(): Promise<void> {
    const { cluster, ready } = this.#deps;
    if (!ready() || cluster.state.choice.readable === null) return;
    // What is under way may have begun before the change that somebody waits to see.
    await this.#reading;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
  }

  async #read(): Promise<void> {
    const { reader, changed, log } = this.#deps;
    try {
      const before = JSON.stringify([...this.#names]);
      this.#names = (await reader.run(listNames)).value;
      this.#problem = "";
      if (JSON.stringify([...this.#names]) !== before) changed();
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== this.#problem) log.warn({ err: error }, "the names of servers could not be read");
      this.#problem = problem;
    }
  }
}

async function listNames(client: PoolClient): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ server: string; display_name: string }>({
    name: "server-names",
    text: "select server, display_name from vault.server_names order by server",
  });
  return new Map(rows.map((row) => [row.server, row.display_name]));
}

/** Gives a server another name. */
export async function renameServer(
  client: PoolClient,
  server: ServerName,
  displayName: string,
): Promise<void> {
  await client.query(
    `insert into vault.server_names (server, display_name) values ($1, $2)
     on conflict (server) do update set display_name = excluded.display_name, changed_at = now()`,
    [server, displayName],
  );
}
