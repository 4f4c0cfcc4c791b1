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

/** The same command, started while the first look is still taken: most transitions promote with their first steps. */
export class EarlyTakeOver {
  readonly #name: DatabaseName;
  readonly #context: ActionContext;
  #started: Promise<PreparedCommand | undefined>;

  constructor(name: DatabaseName, context: ActionContext) {
    this.#name = name;
    this.#context = context;
    // That it cannot start may be no fault: the database may have to be brought back first, or be writable already.
    this.#started = startTakeOver(name, context).catch(() => undefined);
  }

  /** The command, ready for its word; started now where it is not there. Each is given away once. */
  async take(name: DatabaseName): Promise<PreparedCommand> {
    const early = name === this.#name ? await this.#started : undefined;
    if (early) this.#started = Promise.resolve(undefined);
    return early ?? startTakeOver(name, this.#context);
  }

  /** Lets it end without having done anything, as soon as it has started. */
  cancel(): void {
    void this.#started.then((early) => early?.cancel());
    this.#started = Promise.resolve(undefined);
  }
}
