import { setTimeout as sleep } from "node:timers/promises";
import { execa, type ResultPromise } from "execa";
import type { Nodes } from "./nodes.ts";

/** From the end of a node's container to the start of its next one, in milliseconds of the engine's clock. */
export interface Absence {
  readonly node: string;
  readonly from: number;
  readonly to: number;
}

/** What an engine tells of a deployment's containers while it is asked: who was away, and when. */
export class ContainerEvents implements AsyncDisposable {
  readonly #nodes: Nodes;
  readonly #events: ResultPromise;
  #text = "";

  private constructor(nodes: Nodes) {
    this.#nodes = nodes;
    const filters = nodes.names.flatMap((node) => ["--filter", `container=${nodes.container(node)}`]);
    const format = "{{.TimeNano}} {{.Action}} {{.Actor.Attributes.name}}";
    this.#events = execa(
      "docker",
      [
        "--host",
        nodes.engineUrl,
        "events",
        ...filters,
        "--filter",
        "event=die",
        "--filter",
        "event=start",
      ].concat("--format", format),
      { reject: false, buffer: false },
    );
    this.#events.stdout?.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString("utf8");
    });
  }

  /** Listens from now on. */
  static async of(nodes: Nodes): Promise<ContainerEvents> {
    const events = new ContainerEvents(nodes);
    // The client has no word for "I listen": it does once it has connected.
    await sleep(500);
    return events;
  }

  /** Every absence that has ended, in the order in which they began. */
  get absences(): readonly Absence[] {
    const since = new Map<string, number>();
    const absences: Absence[] = [];
    for (const line of this.#text.split("\n").filter(Boolean)) {
      const [nanoseconds = "", action, container] = line.split(" ");
      const at = Number(nanoseconds) / 1e6;
      const node = this.#nodes.names.find((name) => this.#nodes.container(name) === container) ?? "";
      const from = since.get(node);
      if (action === "die") since.set(node, at);
      else if (from !== undefined) absences.push({ node, from, to: at });
    }
    return absences.sort((a, b) => a.from - b.from);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#events.kill();
    await this.#events;
  }
}
