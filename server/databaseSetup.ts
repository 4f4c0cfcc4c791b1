import type { DatabaseName } from "../core/vocabulary.ts";
import type { CurrentConfiguration } from "./config/current.ts";
import type { Cluster } from "./databases/cluster.ts";
import type { Logger } from "./log.ts";
import { migrate } from "./migrations/run.ts";
import { registerKey } from "./resources/keys.ts";

export interface DatabaseSetupDeps {
  readonly cluster: Cluster;
  readonly current: CurrentConfiguration;
  readonly log: Logger;
}

/** Brings what this server needs into a writable database. */
export class DatabaseSetup {
  readonly #deps: DatabaseSetupDeps;

  constructor(deps: DatabaseSetupDeps) {
    this.#deps = deps;
  }

  /** Runs the migrations; resolves with the names of those that ran. */
  async migrate(database: DatabaseName): Promise<readonly string[]> {
    const { cluster, current, log } = this.#deps;
    const settings = current.migrationConnection(database);
    const { user } = settings;
    const applicationRole = current.config.postgres.application.user;
    const context = { applicationRole, keyFingerprint: current.keyed.cipher.keyId };
    try {
      const ran = await migrate(settings, context, log);
      cluster.refusals.accepted(database, user);
      return ran;
    } catch (error) {
      cluster.refusals.failed(database, user, error);
      throw error;
    }
  }

  /** Makes keys of this server known. */
  async registerKeys(database: DatabaseName, fingerprints: readonly string[]): Promise<void> {
    await this.#deps.cluster.pool(database).using(async (client) => {
      for (const fingerprint of fingerprints) await registerKey(client, fingerprint);
    });
  }
}
