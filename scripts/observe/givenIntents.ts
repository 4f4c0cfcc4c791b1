import type { Intent } from "../../core/intent.ts";

/**
 * What databases whose containers are down were told, by whoever holds the transition's lock: until such a container is
 * started nobody else changes it. To read it again would take the engine a twentieth of a second of its processors each time,
 * while writes wait.
 */
export class GivenIntents {
  /** By node: the intent, and the end of its container's last run, which each run changes. */
  readonly #given = new Map<string, { readonly intent: Intent; readonly finishedAt: string }>();

  /** A node was given an intent; its container was down before and after. */
  give(node: string, finishedAt: string, intent: Intent): void {
    this.#given.set(node, { intent, finishedAt });
  }

  /** What a node was given since its container ended then; undefined where that has to be read. */
  of(node: string, finishedAt: string): Intent | undefined {
    const given = this.#given.get(node);
    return given?.finishedAt === finishedAt ? given.intent : undefined;
  }
}
