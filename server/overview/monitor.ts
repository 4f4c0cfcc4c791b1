import type { DatabaseName, ServerName } from "../../core/vocabulary.ts";
import type { Alerting } from "../alerts/watch.ts";
import type { BackupView } from "../backups/watch.ts";
import type { Cluster, ClusterState } from "../databases/cluster.ts";
import type { DatabaseDetail } from "../databases/detail.ts";
import { databaseRole } from "../databases/view.ts";
import { LagHistory } from "./history.ts";
import { type Lag, Positions } from "./lag.ts";
import { overviewOf } from "./overview.ts";
import { type Deployment, type PeerAnswer, Peers, type PeerView } from "./peers.ts";
import type { History, Overview } from "./schema.ts";

/** Also without news an overview goes out so often: who listens knows that it is heard. */
const heartBeatMs = 1000;

export interface MonitorDeps {
  readonly server: ServerName;
  readonly stack: string;
  readonly cluster: Cluster;
  /** What this server answers to another that asks it. */
  readonly self: () => PeerAnswer;
  /** Names that people have given to servers. */
  readonly names: () => ReadonlyMap<string, string>;
  readonly alerting: () => Alerting;
  readonly backups: () => BackupView | null;
}

/** How this server reaches everything of its deployment. */
export interface MonitorSettings {
  readonly deployment: Deployment;
  readonly addresses: ReadonlyMap<DatabaseName, string>;
  readonly ca: string;
}

/** Watches the whole deployment from this server, and tells whoever listens. */
export class Monitor {
  readonly #deps: MonitorDeps;
  readonly #peers: Peers;
  readonly #positions = new Positions();
  readonly #history = new LagHistory();
  readonly #startedAt = Date.now();
  readonly #since = new Map<DatabaseName, { readonly key: string; readonly at: number }>();
  readonly #listeners = new Set<(overview: Overview) => void>();
  readonly #unsubscribe: () => void;
  readonly #timer: NodeJS.Timeout;
  #settings: MonitorSettings | null = null;
  #writable: string | null = null;
  #lag: Lag | null = null;
  #known = "";
  #isDue = false;

  constructor(deps: MonitorDeps) {
    this.#deps = deps;
    this.#peers = new Peers(deps.server, () => this.#tell());
    this.#unsubscribe = deps.cluster.subscribe((state) => this.#observe(state));
    this.#timer = setInterval(() => this.#beat(), heartBeatMs);
  }

  configure(settings: MonitorSettings): void {
    this.#settings = settings;
    this.#peers.configure(settings.deployment, settings.ca);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#unsubscribe();
    this.#peers.stop();
  }

  /** The other servers as this one reaches them, for whoever asks it. */
  get reached(): PeerAnswer["servers"] {
    return this.#peers.views.map(({ name, answer, observedAt }) => ({
      server: name,
      reachable: answer !== null,
      observedAt: observedAt === null ? null : new Date(observedAt).toISOString(),
    }));
  }

  /** The other servers, and what they said last. */
  get peers(): readonly PeerView[] {
    return this.#peers.views;
  }

  get history(): History {
    const since = new Date(this.#startedAt).toISOString();
    return { server: this.#deps.server, since, samples: [...this.#history.samples] };
  }

  /** How far the standby is behind; null while that is not known. */
  get lag(): Lag | null {
    return this.#lag;
  }

  /** Everything, of this moment. */
  overview(): Overview {
    const { server, stack, cluster, self, names, alerting, backups } = this.#deps;
    if (this.#settings === null) throw new Error("the monitor is not configured yet");
    const { deployment, addresses } = this.#settings;
    return overviewOf({
      server,
      stack,
      deployment,
      names: names(),
      addresses,
      cluster: cluster.state,
      details: this.#details(deployment),
      since: new Map([...this.#since].map(([name, { at }]) => [name, at])),
      lag: this.#lag,
      self: self(),
      peers: this.#peers.views,
      applications: this.#peers.applications,
      gateway: this.#peers.gateway,
      alerting: alerting(),
      backups: backups(),
      now: Date.now(),
    });
  }

  /** Calls back with each overview, at once when something has changed, until the returned function is called. */
  subscribe(listener: (overview: Overview) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something beside the databases and the other servers is another than before. */
  changed(): void {
    this.#tell();
  }

  #details(deployment: Deployment): ReadonlyMap<DatabaseName, DatabaseDetail> {
    return new Map(
      deployment.databases.flatMap(({ name }) => {
        const detail = this.#deps.cluster.detail(name);
        return detail === null ? [] : [[name, detail] as const];
      }),
    );
  }

  /** Runs after each look: cheap while nothing changes. */
  #observe(state: ClusterState): void {
    const { choice, views } = state;
    const known = JSON.stringify([
      choice,
      views.map(({ name, reachable, inRecovery, closed, timeline }) => [
        ...[name, reachable, inRecovery, closed, timeline],
      ]),
    ]);
    if (known === this.#known) return;
    this.#known = known;
    const now = Date.now();
    for (const view of views) {
      const key = `${databaseRole(view)} ${view.closed}`;
      if (this.#since.get(view.name)?.key !== key) this.#since.set(view.name, { key, at: now });
    }
    if (choice.writable !== this.#writable) this.#positions.clear();
    this.#writable = choice.writable;
    this.#tell();
  }

  #beat(): void {
    const { cluster } = this.#deps;
    const { writable } = cluster.state.choice;
    const source = writable === null ? null : cluster.detail(writable);
    if (source !== null && !source.inRecovery) this.#positions.add(source.observedAt, source.lsn);
    const standby = cluster.state.views.find((view) => databaseRole(view) === "standby");
    const detail = standby === undefined ? null : cluster.detail(standby.name);
    this.#lag =
      source === null || detail === null || !detail.inRecovery
        ? null
        : this.#positions.lagOf(detail.observedAt, detail.lsn);
    this.#history.add(Date.now(), this.#lag);
    this.#send();
  }

  /** News goes out soon, and several at once as one. */
  #tell(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      this.#send();
    }, 50).unref();
  }

  #send(): void {
    if (this.#listeners.size === 0 || this.#settings === null) return;
    const overview = this.overview();
    for (const listener of [...this.#listeners]) listener(overview);
  }
}
