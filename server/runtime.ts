import { join } from "node:path";
import type { PoolClient } from "pg";
import type { DatabaseName } from "../core/vocabulary.ts";
import { Directory } from "./accounts/directory.ts";
import { Host } from "./alerts/host.ts";
import { AlertWatch } from "./alerts/watch.ts";
import { SequenceNumbers } from "./audit/numbers.ts";
import { AuditSpool } from "./audit/spool.ts";
import { listStarts } from "./audit/store.ts";
import { AuditTrail } from "./audit/trail.ts";
import { type Configuration, loadConfiguration } from "./config/load.ts";
import { needsRestart } from "./config/reload.ts";
import { Cluster } from "./databases/cluster.ts";
import type { ConnectionSettings } from "./databases/connection.ts";
import { Reader } from "./databases/reader.ts";
import { Witness } from "./databases/witness.ts";
import { assess, type Health } from "./health.ts";
import { type App, createApp } from "./http/app.ts";
import { witnessBody } from "./http/healthRoutes.ts";
import type { PageFile } from "./http/pages.ts";
import type { Services } from "./http/services.ts";
import { type Keyed, keyed } from "./keyed.ts";
import type { Logger } from "./log.ts";
import { migrate } from "./migrations/run.ts";
import { aloneWith } from "./overview/alone.ts";
import { Monitor } from "./overview/monitor.ts";
import { Preparation, type WrongKeyError } from "./preparation.ts";
import { registerKey } from "./resources/keys.ts";
import { Scheduler } from "./schedule/scheduler.ts";
import { ServerNames } from "./servers/names.ts";
import type { RecentLog } from "./support/recentLog.ts";
import { secretsOf } from "./support/secrets.ts";
import { version } from "./version.ts";
import { Writer } from "./writes/writer.ts";

const stopLimitMs = 10_000;

/** What a server is given beside its configuration. */
export interface Surroundings {
  /** The built web pages. */
  readonly pages: readonly PageFile[];
  readonly recentLog: RecentLog;
}

/** One running application server. */
export class Runtime {
  readonly #path: string;
  readonly #log: Logger;
  readonly #witness: Witness;
  readonly #cluster: Cluster;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #preparation: Preparation;
  #keyed: Keyed;
  readonly #directory: Directory;
  readonly #numbers: SequenceNumbers;
  readonly #trail: AuditTrail;
  #hasStarted = false;
  readonly #unsubscribe: () => void;
  #configuration: Configuration;
  #app: App | null = null;
  readonly #scheduler: Scheduler;
  readonly #monitor: Monitor;
  readonly #alerts: AlertWatch;
  readonly #host: Host;
  readonly #names: ServerNames;
  readonly #startedAt = Date.now();
  readonly #surroundings: Surroundings;
  #stopping = false;
  #last: { readonly key: string; readonly since: number } = { key: "", since: Date.now() };

  private constructor(
    path: string,
    configuration: Configuration,
    disk: { readonly witness: Witness; readonly numbers: SequenceNumbers; readonly spool: AuditSpool },
    surroundings: Surroundings,
    log: Logger,
    onWrongKey: (error: WrongKeyError) => void,
  ) {
    const { config, secrets } = configuration;
    this.#surroundings = surroundings;
    const server = config.server.id;
    this.#path = path;
    this.#configuration = configuration;
    this.#log = log;
    const { witness, numbers, spool } = disk;
    this.#witness = witness;
    this.#numbers = numbers;
    this.#keyed = keyed(secrets.encryptionKeys);
    this.#cluster = new Cluster(server, witness, log);
    this.#reader = new Reader(this.#cluster, config.writeHoldSeconds);
    this.#directory = new Directory(this.#reader);
    this.#writer = new Writer(server, this.#cluster, config.writeHoldSeconds, log);
    this.#trail = new AuditTrail({
      server,
      cluster: this.#cluster,
      numbers,
      spool,
      holdSeconds: () => this.#writer.holdSeconds,
      log,
    });
    this.#preparation = new Preparation({
      server,
      cluster: this.#cluster,
      reader: this.#reader,
      log,
      keyFingerprints: () => this.#keyed.cipher.keyIds,
      holdSeconds: () => this.#writer.holdSeconds,
      migrate: (database) => this.#migrate(database),
      registerKeys: (database, fingerprints) =>
        this.#using(database, async (client) => {
          for (const fingerprint of fingerprints) await registerKey(client, fingerprint);
        }),
      onPrepared: (highest) => this.#onPrepared(highest),
      onWrongKey,
    });
    this.#scheduler = new Scheduler({
      server,
      cluster: this.#cluster,
      trail: this.#trail,
      log,
      ready: () => this.#preparation.ready,
      cipher: () => this.#keyed.cipher,
      auditRetentionDays: () => this.#configuration.config.auditRetentionDays,
      connection: (database) => {
        const { config: current, secrets: now } = this.#configuration;
        return this.#connectionSettings(
          database,
          current.postgres.application.user,
          now.applicationPasswords,
        );
      },
    });
    this.#names = new ServerNames({
      cluster: this.#cluster,
      reader: this.#reader,
      ready: () => this.#preparation.ready,
      changed: () => this.#monitor.changed(),
      log,
    });
    this.#monitor = new Monitor({
      server,
      stack: config.stack,
      cluster: this.#cluster,
      self: () => witnessBody(this.#services()),
      names: () => this.#names.all,
      alerting: () => this.#alerts.alerting,
    });
    this.#host = new Host(config.stateDirectory);
    this.#alerts = new AlertWatch({
      server,
      stack: config.stack,
      stateDirectory: config.stateDirectory,
      cluster: this.#cluster,
      reader: this.#reader,
      ready: () => this.#preparation.ready,
      overview: () => this.#monitor.overview(),
      peers: () => this.#monitor.peers,
      log,
    });
    this.#unsubscribe = this.#cluster.subscribe(() => void this.health());
  }

  /**
   * Starts a server and resolves once it listens, whether or not a database can be reached.
   *
   * @param onWrongKey called when the key file turns out not to be the one of the database.
   * @throws ConfigurationError, or the listener's error (a taken port).
   */
  static async start(
    path: string,
    configuration: Configuration,
    surroundings: Surroundings,
    log: Logger,
    onWrongKey: (error: WrongKeyError) => void,
  ): Promise<Runtime> {
    const { config } = configuration;
    const witness = await Witness.open(config.stateDirectory, log);
    const numbers = await SequenceNumbers.open(config.stateDirectory);
    const spoolBytes = config.auditSpoolMegabytes * 1024 * 1024;
    const spool = await AuditSpool.open(join(config.stateDirectory, "audit"), spoolBytes, log);
    numbers.skip(await spool.highest());
    const runtime = new Runtime(
      path,
      configuration,
      { witness, numbers, spool },
      surroundings,
      log,
      onWrongKey,
    );
    await runtime.#listen();
    return runtime;
  }

  /** What this server can do now, and since when. */
  health(): Health & { readonly since: number } {
    const now = Date.now();
    const { config } = this.#configuration;
    const health = assess({
      server: config.server.id,
      state: this.#cluster.state,
      ready: this.#preparation.ready,
      stopping: this.#stopping,
      now,
      writeHoldSeconds: config.writeHoldSeconds,
    });
    const key = `${health.role} ${health.state} ${health.database} ${health.databaseRole}`;
    if (key !== this.#last.key) {
      this.#last = { key, since: now };
      const { role, state, database, databaseRole, timeline } = health;
      this.#log.info({ role, state, database, databaseRole, timeline }, "state of this server");
    }
    return { ...health, since: this.#last.since };
  }

  /** Reads the configuration and its files again; requests go on meanwhile. Keeps the old one if the new is wrong. */
  async reload(): Promise<void> {
    let next: Configuration;
    try {
      next = await loadConfiguration(this.#path);
    } catch (error) {
      this.#log.error({ err: error }, "the new configuration is not used");
      return;
    }
    const fixed = needsRestart(this.#configuration, next);
    if (fixed.length > 0) {
      this.#log.error({ entries: fixed }, "the new configuration is not used: these need a restart");
      return;
    }
    try {
      this.#app?.server.setSecureContext({
        key: next.secrets.certificateKey,
        cert: next.secrets.certificate,
        minVersion: "TLSv1.2",
      });
    } catch (error) {
      this.#log.error({ err: error }, "the new configuration is not used: its certificate does not fit");
      return;
    }
    const otherKeys =
      String(next.secrets.encryptionKeys) !== String(this.#configuration.secrets.encryptionKeys);
    this.#configuration = next;
    if (otherKeys) {
      this.#keyed = keyed(next.secrets.encryptionKeys);
      this.#preparation.again();
    }
    this.#writer.holdSeconds = next.config.writeHoldSeconds;
    this.#reader.holdSeconds = next.config.writeHoldSeconds;
    this.#log.level = next.config.logLevel;
    this.#connect();
    this.#alerts.configure(next.alerts);
    this.#log.info("configuration read again");
  }

  /** Accepts no more, finishes what is in flight (at most 10 s), closes everything. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.health();
    const limit = setTimeout(() => {
      this.#log.warn({ limitMs: stopLimitMs }, "requests in flight are cut");
      this.#app?.server.closeAllConnections();
      this.#cluster.cut();
    }, stopLimitMs);
    try {
      await this.#app?.close();
      await this.#preparation.stop();
      await this.#scheduler.stop();
      await this.#alerts.stop();
      await this.#names.stop();
      this.#monitor.stop();
      await this.#stopTrail();
      await this.#cluster.stop();
      this.#unsubscribe();
    } finally {
      clearTimeout(limit);
    }
    this.#log.info("stopped");
  }

  async #listen(): Promise<void> {
    const { config, secrets } = this.#configuration;
    this.#app = await createApp({
      certificate: secrets.certificate,
      key: secrets.certificateKey,
      server: config.server.id,
      trustedProxies: config.listen.trustedProxies,
      requestTimeoutSeconds: config.writeHoldSeconds + config.postgres.statementTimeoutSeconds + 5,
      log: this.#log,
      pages: this.#surroundings.pages,
      services: () => this.#services(),
    });
    this.#configureMonitor();
    await this.#app.listen({ host: config.listen.address, port: config.listen.port });
    this.#connect();
    this.#preparation.start();
    this.#trail.start();
    this.#scheduler.start();
    this.#names.start();
    this.#alerts.configure(this.#configuration.alerts);
    this.#log.info(
      { version, port: config.listen.port, keyFingerprint: this.#keyed.cipher.keyId },
      "listening",
    );
  }

  /** Events begin once the numbers that are in use are known. */
  async #onPrepared(highestSequence: number): Promise<void> {
    this.#numbers.skip(highestSequence);
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    const { keyId: keyFingerprint } = this.#keyed.cipher;
    await this.#recordTask("server.start", { version, node: process.version, keyFingerprint });
    const others = (await this.#reader.run(listStarts)).value.filter(
      ({ server }) => server !== this.#configuration.config.server.id,
    );
    // Allowed while an upgrade or another key is brought to one server after the other, and worth knowing.
    for (const other of others) {
      if (other.version !== version || other.keyFingerprint !== keyFingerprint) {
        this.#log.warn({ version, keyFingerprint, other }, "another server has another version or key");
      }
    }
  }

  async #stopTrail(): Promise<void> {
    if (this.#hasStarted) await this.#recordTask("server.stop", { version });
    await this.#trail.stop();
  }

  async #recordTask(operation: string, details: Readonly<Record<string, unknown>>): Promise<void> {
    const actor = `server ${this.#configuration.config.server.id}`;
    try {
      await this.#trail.add(
        { kind: "task", operation, actor, actorId: null, address: null, details },
        "success",
      );
    } catch (error) {
      this.#log.error({ err: error, operation }, "an audit event could not be recorded");
    }
  }

  #services(): Services {
    return {
      config: this.#configuration.config,
      log: this.#log,
      cluster: this.#cluster,
      witness: this.#witness,
      reader: this.#reader,
      writer: this.#writer,
      ...this.#keyed,
      directory: this.#directory,
      trail: this.#trail,
      adminTokenHashes: this.#configuration.secrets.adminTokenHashes,
      ready: () => this.#preparation.ready,
      readySoon: () => this.#preparation.readySoon(),
      schema: () => this.#preparation.schema,
      monitor: this.#monitor,
      alerts: this.#alerts,
      host: () => {
        const { certificate, ca } = this.#configuration.secrets;
        return this.#host.facts(certificate, ca);
      },
      names: this.#names,
      startedAt: this.#startedAt,
      secrets: () => secretsOf(this.#configuration, this.#keyed),
      recentLog: () => this.#surroundings.recentLog.text,
      health: () => this.health(),
    };
  }

  #connect(): void {
    const { config, secrets } = this.#configuration;
    const { user } = config.postgres.application;
    this.#cluster.configure({
      databases: config.databases.map(({ name }) =>
        this.#connectionSettings(name, user, secrets.applicationPasswords),
      ),
      poolSize: config.postgres.poolSize,
      poolWaitSeconds: Math.max(config.writeHoldSeconds, 1),
    });
    this.#configureMonitor();
  }

  #configureMonitor(): void {
    const { config, secrets } = this.#configuration;
    this.#monitor.configure({
      deployment: config.deployment ?? aloneWith(config),
      addresses: new Map(config.databases.map(({ name, address, port }) => [name, `${address}:${port}`])),
      ca: secrets.ca,
    });
  }

  #connectionSettings(name: DatabaseName, user: string, passwords: readonly string[]): ConnectionSettings {
    const { config, secrets } = this.#configuration;
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

  async #migrate(database: DatabaseName): Promise<readonly string[]> {
    const { config, secrets } = this.#configuration;
    const { user } = config.postgres.migration;
    const settings = this.#connectionSettings(database, user, secrets.migrationPasswords);
    const applicationRole = config.postgres.application.user;
    const context = { applicationRole, keyFingerprint: this.#keyed.cipher.keyId };
    try {
      const ran = await migrate(settings, context, this.#log);
      this.#cluster.refusals.accepted(database, user);
      return ran;
    } catch (error) {
      this.#cluster.refusals.failed(database, user, error);
      throw error;
    }
  }

  async #using(database: DatabaseName, work: (client: PoolClient) => Promise<void>): Promise<void> {
    const client = await this.#cluster.pool(database).connect();
    try {
      await work(client);
    } finally {
      client.release();
    }
  }
}
