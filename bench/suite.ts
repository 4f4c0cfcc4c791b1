import type { OwnStack } from "../test/support/ownStack.ts";

/** One thing that is measured again and again. */
export interface Measurement {
  /** What was done, as a person would say it. */
  readonly what: string;
  readonly seconds: readonly number[];
  /** The median has to be at most this. */
  readonly targetSeconds?: number;
  /** The 95th percentile has to be at most this. */
  readonly p95TargetSeconds?: number;
  /** Where the time went in the median run: parts of it, in their order. */
  readonly parts: readonly Part[];
}

export interface Part {
  readonly name: string;
  readonly seconds: number;
}

/** What a suite works with. */
export interface SuiteContext {
  /** A stack of the bench's own, not deployed yet. */
  readonly stack: OwnStack;
  readonly runs: number;
  /** Tells a person what is being done. */
  readonly say: (line: string) => void;
}

/** A named group of measurements: `npm run bench -- NAME`. */
export interface Suite {
  readonly name: string;
  readonly description: string;
  run(context: SuiteContext): Promise<readonly Measurement[]>;
}
