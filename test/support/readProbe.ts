import { setTimeout as sleep } from "node:timers/promises";
import type { Nodes } from "./nodes.ts";

/** A client that reads through the gateway again and again, each time over a new connection, and does not repeat. */
export class ReadProbe {
  readonly #nodes: Nodes;
  readonly #path: string;
  readonly #answeredAt: number[] = [];
  readonly failed: string[] = [];
  readonly #running: Promise<void>;
  #isStopping = false;

  constructor(nodes: Nodes, path: string) {
    this.#nodes = nodes;
    this.#path = path;
    this.#running = this.#run();
  }

  /** Ends the reading; what it has seen stays. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  /** The longest time between two answers, in seconds. */
  get gapSeconds(): number {
    const gaps = this.#answeredAt.slice(1).map((at, index) => at - (this.#answeredAt[index] ?? at));
    return Math.max(0, ...gaps) / 1000;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        const { status } = await this.#nodes.request("gateway", this.#path);
        if (status === 200) this.#answeredAt.push(performance.now());
        else this.failed.push(String(status));
      } catch (error) {
        this.failed.push(error instanceof Error ? error.message : String(error));
      }
      await sleep(50);
    }
  }
}
