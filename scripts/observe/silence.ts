/** How long, in milliseconds, an attempt has to have taken in vain to count as silence: a refusal comes at once. */
const silenceMs = 1500;

/** For how long, in milliseconds, a silent node is not asked again. */
const restMs = 10_000;

/**
 * Nodes that have let an attempt run into its time limit a moment ago, as those of a host that is gone do. Within one
 * transition each such attempt would cost its whole time again, while writes wait: so for some seconds they are not
 * asked, and stay unknown.
 */
export class Silence {
  readonly #since = new Map<string, number>();

  /**
   * Asks a node, unless it is silent.
   *
   * @throws Error without having asked when it was silent less than 10 s ago; whatever `question` throws otherwise
   */
  async ask<T>(node: string, question: () => Promise<T>): Promise<T> {
    if (this.isSilent(node)) throw new Error("no answer a moment ago");
    const began = performance.now();
    try {
      return await question();
    } catch (error) {
      const now = performance.now();
      if (now - began >= silenceMs) this.#since.set(node, now);
      throw error;
    }
  }

  /** Whether a node is left alone for now. */
  isSilent(node: string): boolean {
    const since = this.#since.get(node);
    return since !== undefined && performance.now() - since < restMs;
  }
}
