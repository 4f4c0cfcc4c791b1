import { setTimeout as sleep } from "node:timers/promises";
import pRetry from "p-retry";
import { type Ledger, markChannel, markTold, outstanding } from "../../core/alerts/ledger.ts";
import { type Notice, noticeOf } from "../../core/alerts/notice.ts";
import type { ChannelName } from "../../core/alerts/settings.ts";
import type { Logger } from "../log.ts";
import type { Channel } from "./channel.ts";

/** Pauses after a failure: 1 s, then each twice as long as the one before, at most a minute. */
const pauses = { minTimeout: 1000, factor: 2, maxTimeout: 60_000, randomize: true } as const;

const stopLimitMs = 2000;

export interface DeliveryDeps {
  readonly from: Pick<Notice, "stack" | "sender">;
  readonly log: Logger;
  readonly ledger: () => Ledger;
  /** Takes what has become of the ledger; resolves once it is on disk. */
  readonly update: (change: (ledger: Ledger) => Ledger) => Promise<void>;
  /** Whether it is this server's turn to send. */
  readonly leads: () => boolean;
}

/** Brings out what is outstanding: on each channel one notice after the other, a failing channel again and again. */
export class Delivery {
  readonly #deps: DeliveryDeps;
  readonly #channels: readonly Channel[];
  readonly #working = new Map<ChannelName, Promise<void>>();
  readonly #sending = new Map<ChannelName, string>();
  readonly #stop = new AbortController();

  constructor(channels: readonly Channel[], deps: DeliveryDeps) {
    this.#channels = channels;
    this.#deps = deps;
  }

  /** Keys of which a notice is on its way at this moment. */
  get sending(): ReadonlySet<string> {
    return new Set(this.#sending.values());
  }

  /** Begins with what is outstanding on channels that are idle. */
  begin(): void {
    const { ledger, leads, log } = this.#deps;
    if (!leads() || this.#stop.signal.aborted) return;
    for (const channel of this.#channels) {
      const { name } = channel;
      if (this.#working.has(name) || outstanding(ledger(), name, Date.now()).length === 0) continue;
      const working = this.#work(channel)
        .catch((error: unknown) => {
          if (!this.#stop.signal.aborted)
            log.error({ err: error, channel: name }, "alerts: sending has ended");
        })
        .finally(() => this.#working.delete(name));
      this.#working.set(name, working);
    }
  }

  /** Begins no attempt any more; resolves once the last one is over, or has taken too long for a server that stops. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the server stops"));
    await Promise.race([Promise.all(this.#working.values()), sleep(stopLimitMs)]);
  }

  async #work(channel: Channel): Promise<void> {
    const { leads } = this.#deps;
    const { signal } = this.#stop;
    let isDone = false;
    while (!isDone && !signal.aborted) {
      // Each attempt looks anew: what was outstanding before a pause may be told, or over, by now.
      isDone = await pRetry(() => this.#attempt(channel), {
        ...pauses,
        retries: Number.POSITIVE_INFINITY,
        signal,
        shouldRetry: () => leads(),
      });
    }
  }

  /** Sends the oldest that is outstanding; true where there is none. */
  async #attempt({ name, send }: Channel): Promise<boolean> {
    const { ledger, update, leads, log, from } = this.#deps;
    const next = outstanding(ledger(), name, Date.now())[0];
    if (next === undefined || !leads() || this.#stop.signal.aborted) return true;
    const { incident, kind } = next;
    const { key, number } = incident;
    this.#sending.set(name, key);
    try {
      await send(noticeOf(incident, kind, from));
      const at = new Date().toISOString();
      await update((now) => markChannel(markTold(now, incident, name, kind, at), name, at, null));
      log.info({ channel: name, key, number, kind }, "alert sent");
      return false;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      await update((now) => markChannel(now, name, new Date().toISOString(), problem));
      log.warn({ channel: name, key, number, kind, problem }, "an alert could not be sent; tried again");
      throw new Error(problem, { cause: error });
    } finally {
      this.#sending.delete(name);
    }
  }
}
