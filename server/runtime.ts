import { join } from "node:path";
import { Directory } from "./accounts/directory.ts";
import { Host } from "./alerts/host.ts";
import { AlertWatch } from "./alerts/watch.ts";
import { SequenceNumbers } from "./audit/numbers.ts";
import { AuditSpool } from "./audit/spool.ts";
import { AuditTrail } from "./audit/trail.ts";
import { BackupWatch } from "./backups/watch.ts";
import { CurrentConfiguration } from "./config/current.ts";
import { type Configuration, loadConfiguration } from "./config/load.ts";
import { needsRestart } from "./config/reload.ts";
import { DatabaseSetup } from "./databaseSetup.ts";
import { Cluster } from "./databases/cluster.ts";
import { Reader } from "./databases/reader.ts";
import { Witness } from "./databases/witness.ts";
import { type App, createApp } from "./http/app.ts";
import { witnessBody } from "./http/healthRoutes.ts";
import type { PageFile } from "./http/pages.ts";
import type { Services } from "./http/services.ts";
import { LifeEvents } from "./lifeEvents.ts";
import type { Logger } from "./log.ts";
import { Monitor } from "./overview/monitor.ts";
import { OwnState } from "./ownState.ts";
import { Preparation, type WrongKeyError } from "./preparation.ts";
import { Scheduler } from "./schedule/scheduler.ts";
import { ServerNames } from "./servers/names.ts";
import type { RecentLog } from "./support/recentLog.ts";
import { secretsOf } from "./support/secrets.ts";
import { version } from "./version.ts";
import { rehearsal } from "./writes/rehearsal.ts";
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
  readonly #directory: Directory;
  readonly #trail: AuditTrail;
  readonly #life: LifeEvents;
  readonly #state: OwnState;
  readonly #current: CurrentConfiguration;
  #app: App | null = null;
  readonly #scheduler: Scheduler;
  readonly #monitor: Monitor;
  readonly #alerts: AlertWatch;
  readonly #backups: BackupWatch;
  readonly #host: Host;
  readonly #names: ServerNames;
  readonly #startedAt = Date.now();
  readonly #surroundings: Surroundings;

  private constructor(
    path: string,
    configuration: Configuration,
    disk: { readonly witness: Witness; readonly numbers: SequenceNumbers; readonly spool: AuditSpool },
    surroundings: Surroundings,
    log: Logger,
    onWrongKey: (error: WrongKeyError) => void,
  ) {
    const { config } = configuration;
    this.#surroundings = surroundings;
    const server = config.server.id;
    this.#path = path;
    this.#current = new CurrentConfiguration(configuration);
    this.#log = log;
    const { witness, numbers, spool } = disk;
    this.#witness = witness;
    this.#cluster = new Cluster(server, witness, rehearsal, log);
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
    this.#life = new LifeEvents({
      server,
      trail: this.#trail,
      numbers,
      reader: this.#reader,
      keyFingerprint: () => this.#current.keyed.cipher.keyId,
      log,
    });
    const setup = new DatabaseSetup({ cluster: this.#cluster, current: this.#current, log });
    this.#preparation = new Preparation({
      server,
      cluster: this.#cluster,
      reader: this.#reader,
      log,
      keyFingerprints: () => this.#current.keyed.cipher.keyIds,
      holdSeconds: () => this.#writer.holdSeconds,
      migrate: (database) => setup.migrate(database),
      registerKeys: (database, fingerprints) => setup.registerKeys(database, fingerprints),
      onPrepared: (highest) => this.#life.prepared(highest),
      onWrongKey,
    });
    this.#scheduler = new Scheduler({
      server,
      cluster: this.#cluster,
      trail: this.#trail,
      log,
      ready: () => this.#preparation.ready,
      cipher: () => this.#current.keyed.cipher,
      auditRetentionDays: () => this.#current.config.auditRetentionDays,
      backups: () => this.#current.config.backups,
      connection: (database) => this.#current.applicationConnection(database),
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
      backups: () => this.#backups.view,
    });
    this.#backups = new BackupWatch({
      config: () => this.#current.config.backups,
      reader: this.#reader,
      canRead: () => this.#preparation.ready && this.#cluster.state.choice.readable !== null,
      log,
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
    this.#state = new OwnState({
      cluster: this.#cluster,
      config: () => {
        const { server: own, writeHoldSeconds } = this.#current.config;
        return { server: own.id, writeHoldSeconds };
      },
      ready: () => this.#preparation.ready,
      log,
    });
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

  /** Reads the configuration and its files again; requests go on meanwhile. Keeps the old one if the new is wrong. */
  async reload(): Promise<void> {
    let next: Configuration;
    try {
      next = await loadConfiguration(this.#path);
    } catch (error) {
      this.#log.error({ err: error }, "the new configuration is not used");
      return;
    }
    const fixed = needsRestart(this.#current.all, next);
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
    if (this.#current.replace(next)) this.#preparation.again();
    this.#writer.holdSeconds = next.config.writeHoldSeconds;
    this.#reader.holdSeconds = next.config.writeHoldSeconds;
    this.#log.level = next.config.logLevel;
    this.#connect();
    this.#alerts.configure(next.alerts);
    this.#log.info("configuration read again");
  }

  /** Accepts no more, finishes what is in flight (at most 10 s), closes everything. */
  async stop(): Promise<void> {
    if (this.#state.isStopping) return;
    this.#state.stopping();
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
      await this.#backups.stop();
      this.#monitor.stop();
      await this.#life.stopping();
      await this.#trail.stop();
      await this.#cluster.stop();
      this.#state.end();
    } finally {
      clearTimeout(limit);
    }
    this.#log.info("stopped");
  }

  async #listen(): Promise<void> {
    const { config, secrets } = this.#current;
    this.#app = await createApp({
      certificate: secrets.certificate,
      key: secrets.certificateKey,
      server: config.server.id,
      trustedProxies: config.listen.trustedProxies,
      requestTimeoutSeconds: () => {
        const { writeHoldSeconds, postgres } = this.#current.config;
        return writeHoldSeconds + postgres.statementTimeoutSeconds + 5;
      },
      log: this.#log,
      pages: this.#surroundings.pages,
      services: () => this.#services(),
    });
    this.#monitor.configure(this.#current.monitorSettings);
    await this.#app.listen({ host: config.listen.address, port: config.listen.port });
    this.#connect();
    this.#preparation.start();
    this.#trail.start();
    this.#scheduler.start();
    this.#names.start();
    this.#alerts.configure(this.#current.all.alerts);
    this.#log.info(
      { version, port: config.listen.port, keyFingerprint: this.#current.keyed.cipher.keyId },
      "listening",
    );
  }

  #services(): Services {
    return {
      config: this.#current.config,
      log: this.#log,
      cluster: this.#cluster,
      witness: this.#witness,
      reader: this.#reader,
      writer: this.#writer,
      ...this.#current.keyed,
      directory: this.#directory,
      trail: this.#trail,
      adminTokenHashes: this.#current.secrets.adminTokenHashes,
      ready: () => this.#preparation.ready,
      readySoon: () => this.#preparation.readySoon(),
      schema: () => this.#preparation.schema,
      monitor: this.#monitor,
      alerts: this.#alerts,
      host: () => {
        const { certificate, ca } = this.#current.secrets;
        return this.#host.facts(certificate, ca);
      },
      names: this.#names,
      startedAt: this.#startedAt,
      secrets: () => secretsOf(this.#current.all, this.#current.keyed),
      recentLog: () => this.#surroundings.recentLog.text,
      health: () => this.#state.health(),
    };
  }

  #connect(): void {
    this.#cluster.configure(this.#current.clusterSettings);
    this.#monitor.configure(this.#current.monitorSettings);
  }
}
