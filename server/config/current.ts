import type { DatabaseName } from "../../core/vocabulary.ts";
import type { ClusterSettings } from "../databases/cluster.ts";
import type { ConnectionSettings } from "../databases/connection.ts";
import { type Keyed, keyed } from "../keyed.ts";
import { aloneWith } from "../overview/alone.ts";
import type { MonitorSettings } from "../overview/monitor.ts";
import type { Configuration } from "./load.ts";

/** The configuration that holds now, and what follows from it for the parts of a server. */
export class CurrentConfiguration {
  #configuration: Configuration;
  #keyed: Keyed;

  constructor(configuration: Configuration) {
    this.#configuration = configuration;
    this.#keyed = keyed(configuration.secrets.encryptionKeys);
  }

  get all(): Configuration {
    return this.#configuration;
  }

  get config(): Configuration["config"] {
    return this.#configuration.config;
  }

  get secrets(): Configuration["secrets"] {
    return this.#configuration.secrets;
  }

  get keyed(): Keyed {
    return this.#keyed;
  }

  /** Another one holds from now on; true where its keys are others. */
  replace(next: Configuration): boolean {
    const hasOtherKeys = String(next.secrets.encryptionKeys) !== String(this.secrets.encryptionKeys);
    this.#configuration = next;
    if (hasOtherKeys) this.#keyed = keyed(next.secrets.encryptionKeys);
    return hasOtherKeys;
  }

  /** How the server's work connects. */
  applicationConnection(database: DatabaseName): ConnectionSettings {
    return this.#connection(
      database,
      this.config.postgres.application.user,
      this.secrets.applicationPasswords,
    );
  }

  /** How migrations connect. */
  migrationConnection(database: DatabaseName): ConnectionSettings {
    return this.#connection(database, this.config.postgres.migration.user, this.secrets.migrationPasswords);
  }

  get clusterSettings(): ClusterSettings {
    const { databases, postgres, writeHoldSeconds } = this.config;
    return {
      databases: databases.map(({ name }) => this.applicationConnection(name)),
      poolSize: postgres.poolSize,
      poolWaitSeconds: Math.max(writeHoldSeconds, 1),
    };
  }

  get monitorSettings(): MonitorSettings {
    const { config, secrets } = this;
    return {
      deployment: config.deployment ?? aloneWith(config),
      addresses: new Map(config.databases.map(({ name, address, port }) => [name, `${address}:${port}`])),
      ca: secrets.ca,
    };
  }

  #connection(name: DatabaseName, user: string, passwords: readonly string[]): ConnectionSettings {
    const { config, secrets } = this;
    const target = config.databases.find((database) => database.name === name);
    if (target === undefined) throw new Error(`${name}: no such database in this model`);
    const { database, connectTimeoutSeconds, statementTimeoutSeconds } = config.postgres;
    return {
      target,
      database,
      user,
      passwords,
      ca: secrets.ca,
      connectTimeoutSeconds,
      statementTimeoutSeconds,
      applicationName: `${config.stack}/${config.server.id}`,
    };
  }
}
