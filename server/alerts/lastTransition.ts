import type { LastTransition } from "../../core/alerts/rules.ts";
import type { Reader } from "../databases/reader.ts";
import type { Logger } from "../log.ts";
import { listTransitions } from "../transitions/store.ts";

const refreshMs = 10_000;

/** The transition that was recorded last, asked for now and then. */
export class LastTransitionWatch {
  readonly #reader: Reader;
  readonly #canRead: () => boolean;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #reading: Promise<void> | null = null;
  #last: LastTransition | null | undefined;

  constructor(reader: Reader, canRead: () => boolean, log: Logger) {
    this.#reader = reader;
    this.#canRead = canRead;
    this.#log = log;
    this.#timer = setInterval(() => this.#refresh(), refreshMs);
    this.#refresh();
  }

  /** Null where none was recorded, undefined while that is not known. */
  get last(): LastTransition | null | undefined {
    return this.#last;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reading;
  }

  #refresh(): void {
    if (!this.#canRead()) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
  }

  async #read(): Promise<void> {
    try {
      const { value } = await this.#reader.run((client) => listTransitions(client, 1));
      const [last] = value.items;
      this.#last =
        last === undefined
          ? null
          : {
              transition: last.transition,
              transitionId: last.transitionId,
              verdict: last.verdict,
              endedAt: last.endedAt,
              error: last.error,
            };
    } catch (error) {
      this.#log.info({ err: error }, "alerts: the record of transitions could not be read");
    }
  }
}
