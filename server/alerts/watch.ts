import { setTimeout as sleep } from "node:timers/promises";
import type { Leader } from "../../core/alerts/election.ts";
import { decide, emptyLedger, type Ledger, markChannel, mergeLedgers } from "../../core/alerts/ledger.ts";
import { testNotice } from "../../core/alerts/notice.ts";
import { judgeAlerts, type LastTransition } from "../../core/alerts/rules.ts";
import { type ChannelName, defaultAlerts, type ReadonlyAlertSettings } from "../../core/alerts/settings.ts";
import { observeSteadiness, type Steadiness } from "../../core/alerts/steadiness.ts";
import type { ServerName } from "../../core/vocabulary.ts";
import type { Cluster } from "../databases/cluster.ts";
import type { Reader } from "../databases/reader.ts";
import type { Logger } from "../log.ts";
import type { PeerView } from "../overview/peers.ts";
import type { Overview } from "../overview/schema.ts";
import type { Channel } from "./channel.ts";
import { createChannels } from "./channels.ts";
import { Delivery } from "./delivery.ts";
import { LastTransitionWatch } from "./lastTransition.ts";
import { Leadership } from "./leadership.ts";
import { LedgerFile } from "./ledgerFile.ts";

const intervalMs = 1000;

export interface AlertWatchDeps {
  readonly server: ServerName;
  readonly stack: string;
  readonly stateDirectory: string;
  readonly cluster: Cluster;
  readonly reader: Reader;
  readonly ready: () => boolean;
  readonly overview: () => Overview;
  readonly peers: () => readonly PeerView[];
  readonly log: Logger;
}

/** What the overview shows of the alerts. */
export interface Alerting {
  readonly settings: ReadonlyAlertSettings;
  readonly channels: readonly ChannelName[];
  readonly ledger: Ledger;
  /** Who sends now; null where nobody is known to. */
  readonly sender: ServerName | null;
  readonly lastTransition: LastTransition | null | undefined;
}

/** What becomes of a test notice on one channel. */
export interface TestResult {
  readonly channel: ChannelName;
  readonly problem: string | null;
}

/** What runs while there are channels. */
interface Running {
  readonly channels: readonly Channel[];
  readonly delivery: Delivery;
  readonly leadership: Leadership;
  readonly transitions: LastTransitionWatch;
  readonly stop: AbortController;
  readonly loop: Promise<void>;
}

/**
 * Watches for what people have to be told, on every server; one of them tells it. Without a channel nothing runs, and
 * nothing is sent, written or asked.
 */
export class AlertWatch {
  readonly #deps: AlertWatchDeps;
  readonly #file: LedgerFile;
  #settings: ReadonlyAlertSettings = defaultAlerts;
  #ledger: Ledger = emptyLedger;
  #steadiness: Steadiness = new Map();
  #running: Running | null = null;
  #changing: Promise<void> = Promise.resolve();

  constructor(deps: AlertWatchDeps) {
    this.#deps = deps;
    this.#file = new LedgerFile(deps.stateDirectory, deps.log);
  }

  /** Watches by these settings from now on. */
  configure(settings: ReadonlyAlertSettings): void {
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return;
    this.#settings = settings;
    this.#changing = this.#changing.then(async () => {
      await this.#end();
      const channels = createChannels(settings);
      if (channels.length > 0) this.#running = this.#begin(channels);
    });
  }

  async stop(): Promise<void> {
    this.#changing = this.#changing.then(() => this.#end());
    await this.#changing;
  }

  get alerting(): Alerting {
    const running = this.#running;
    const other = this.#deps.peers().find(({ answer }) => answer?.alerts?.leader != null)?.name ?? null;
    return {
      settings: this.#settings,
      channels: running?.channels.map(({ name }) => name) ?? [],
      ledger: this.#ledger,
      sender: running !== null && running.leadership.leader !== null ? this.#deps.server : other,
      lastTransition: running?.transitions.last,
    };
  }

  /** What the other servers have to know; undefined where nobody is told. */
  get shared(): { readonly leader: Leader | null; readonly ledger: Ledger } | undefined {
    const running = this.#running;
    return running === null ? undefined : { leader: running.leadership.leader, ledger: this.#ledger };
  }

  /** Sends a test on every channel, now and from this server. */
  async test(): Promise<readonly TestResult[]> {
    const { stack, server } = this.#deps;
    const notice = testNotice({ stack, sender: server }, new Date().toISOString());
    return await Promise.all(
      (this.#running?.channels ?? []).map(async ({ name, send }) => {
        const problem = await send(notice).then(
          () => null,
          (error: unknown) => (error instanceof Error ? error.message : String(error)),
        );
        await this.#update((ledger) => markChannel(ledger, name, new Date().toISOString(), problem));
        return { channel: name, problem };
      }),
    );
  }

  #begin(channels: readonly Channel[]): Running {
    const { server, stack, cluster, reader, ready, peers, log } = this.#deps;
    const stop = new AbortController();
    const leadership = new Leadership({ server, cluster, ready, peers, log });
    const delivery = new Delivery(channels, {
      from: { stack, sender: server },
      log,
      ledger: () => this.#ledger,
      update: (change) => this.#update(change),
      leads: () => leadership.leader !== null,
    });
    const canRead = () => ready() && cluster.state.choice.readable !== null;
    const transitions = new LastTransitionWatch(reader, canRead, log);
    log.info({ channels: channels.map(({ name }) => name) }, "alerts are sent");
    // The loop begins after this function: it finds what runs.
    const loop = sleep(0).then(() => this.#run(stop.signal));
    return { channels, delivery, leadership, transitions, stop, loop };
  }

  async #end(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    running.stop.abort();
    await running.loop;
    await running.delivery.stop();
    await Promise.all([running.transitions.stop(), running.leadership.stop()]);
    this.#running = null;
  }

  async #run(signal: AbortSignal): Promise<void> {
    this.#ledger = mergeLedgers(await this.#file.read(), this.#ledger);
    while (!signal.aborted) {
      try {
        await this.#turn();
      } catch (error) {
        this.#deps.log.error({ err: error }, "alerts: a turn has failed");
      }
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    }
  }

  async #turn(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    const peers = this.#deps.peers();
    const overview = this.#deps.overview();
    const judgements = judgeAlerts({ ...overview, lastTransition: running.transitions.last }, this.#settings);
    const now = performance.now();
    this.#steadiness = observeSteadiness(this.#steadiness, judgements, now);
    let ledger = this.#ledger;
    for (const { answer } of peers) if (answer?.alerts) ledger = mergeLedgers(ledger, answer.alerts.ledger);
    // What the others have sent is asked first.
    const isInformed = peers.every(({ observedAt }) => observedAt !== null);
    if (isInformed && running.leadership.leader !== null) {
      // A notice on its way finds the incident as it was when it set off.
      const sending = running.delivery.sending;
      ledger = decide(ledger, {
        judgements,
        steadiness: new Map([...this.#steadiness].filter(([key]) => !sending.has(key))),
        settings: this.#settings,
        channels: running.channels.map(({ name }) => name),
        now,
        at: overview.observedAt,
      });
    }
    await this.#update(() => ledger);
    if (isInformed) running.delivery.begin();
  }

  async #update(change: (ledger: Ledger) => Ledger): Promise<void> {
    this.#ledger = change(this.#ledger);
    await this.#file.write(this.#ledger);
  }
}
