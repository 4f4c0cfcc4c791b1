/** How far the standby was behind, at one moment. */
export interface LagSample {
  readonly at: string;
  /** Null while it was not known. */
  readonly bytes: number | null;
  readonly seconds: number | null;
}

/** One sample stands for so long. */
export const sampleMs = 15_000;
const keptMs = 6 * 60 * 60_000;

/** The lag of the last six hours in this server's memory: of each quarter of a minute the worst that was seen. */
export class LagHistory {
  readonly #samples: LagSample[] = [];
  #worst: { readonly from: number; readonly bytes: number | null; readonly seconds: number | null } | null =
    null;

  get samples(): readonly LagSample[] {
    return this.#samples;
  }

  /** Takes note of the lag; null where it is not known. */
  add(at: number, lag: { readonly bytes: number; readonly seconds: number } | null): void {
    if (this.#worst !== null && at - this.#worst.from >= sampleMs) this.#close(this.#worst);
    const worst = this.#worst ?? { from: at, bytes: null, seconds: null };
    this.#worst = {
      from: worst.from,
      bytes: highest(worst.bytes, lag?.bytes),
      seconds: highest(worst.seconds, lag?.seconds),
    };
  }

  #close({ from, bytes, seconds }: { from: number; bytes: number | null; seconds: number | null }): void {
    this.#samples.push({ at: new Date(from).toISOString(), bytes, seconds });
    if (this.#samples.length > keptMs / sampleMs) this.#samples.shift();
    this.#worst = null;
  }
}

function highest(a: number | null, b: number | undefined): number | null {
  if (b === undefined) return a;
  return a === null ? b : Math.max(a, b);
}
