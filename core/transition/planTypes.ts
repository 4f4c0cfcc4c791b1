import type { Step } from "./step.ts";

/** Why a transition cannot run now, and what a person can do. */
export interface Refusal {
  readonly reason: string;
  readonly remedy: string;
}

/** What is to be done, or why it must not be. */
export interface Plan {
  /** Empty: the goal is reached. */
  readonly steps: readonly Step[];
  readonly refused: readonly Refusal[];
  /** What a person should know, though it stops nothing. */
  readonly warnings: readonly string[];
}

/** A plan that only says why not. */
export function refuse(reason: string, remedy: string): Plan {
  return { steps: [], refused: [{ reason, remedy }], warnings: [] };
}
