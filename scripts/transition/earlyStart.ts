import type { Topology } from "../../core/topology.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { containerOf } from "../observe/index.ts";
import { nodeOf } from "./context.ts";

/**
 * The start of a fenced database's container while the look after the promotion is taken: whatever that finds, the
 * database follows next, and its intent says so already.
 */
export class EarlyStart {
  readonly #topology: Topology;
  #started: { readonly name: DatabaseName; readonly end: Promise<unknown> } | undefined;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  begin(name: DatabaseName): void {
    // Where it fails, the step that needs the database tries again, and says why.
    const end = containerOf(nodeOf({ topology: this.#topology }, name))
      .start()
      .catch(() => undefined);
    this.#started = { name, end };
  }

  /** Waits for the end of a start that was begun. */
  async end(name: DatabaseName): Promise<void> {
    if (this.#started?.name === name) await this.#started.end;
  }
}
