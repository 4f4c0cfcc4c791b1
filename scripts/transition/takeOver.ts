import { freshForMs } from "../../core/transition/carryOver.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { containerOf } from "../observe/index.ts";
import { type ActionContext, nodeOf } from "./context.ts";
import { primaryIntent } from "./intents.ts";
import { PreparedCommand } from "./preparedCommand.ts";

/** Starts the command that promotes a database once it is given its word, and does nothing without it. */
export function startTakeOver(name: DatabaseName, context: ActionContext): Promise<PreparedCommand> {
  return PreparedCommand.start(containerOf(nodeOf(context, name)), [
    "take-over",
    JSON.stringify(primaryIntent(context.goal)),
  ]);
}

/**
 * The same command, started while the first look is still taken: most transitions promote with their first steps. Counts
 * only as long as that look does; a database that was restarted meanwhile would leave it without a connection.
 */
export class EarlyTakeOver {
  readonly #name: DatabaseName;
  readonly #context: ActionContext;
  readonly #startedAt = Date.now();
  #started: Promise<PreparedCommand | undefined>;

  constructor(name: DatabaseName, context: ActionContext) {
    this.#name = name;
    this.#context = context;
    // That it cannot start may be no fault: the database may have to be brought back first, or be writable already.
    this.#started = startTakeOver(name, context).catch(() => undefined);
  }

  /** The command, ready for its word; started now where it is not there. */
  async take(name: DatabaseName): Promise<PreparedCommand> {
    const early = await this.#started;
    this.#started = Promise.resolve(undefined);
    const isFresh = Date.now() - this.#startedAt <= freshForMs;
    if (early?.isAlive && isFresh && name === this.#name) return early;
    early?.cancel();
    return startTakeOver(name, this.#context);
  }

  /** Lets it end without having done anything, as soon as it has started. */
  cancel(): void {
    void this.#started.then((early) => early?.cancel());
    this.#started = Promise.resolve(undefined);
  }
}
