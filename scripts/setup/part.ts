import type { Context } from "./context.ts";

/** What a look at a part has found. */
export interface Finding {
  readonly isReady: boolean;
  /** Version or name of what is there; absent when nothing is. */
  readonly found?: string;
  /** File, folder or address of it. */
  readonly where?: string;
  /** What a person can do, where setup has not. */
  readonly remedy?: string;
  /** One line for the end of setup: something that it leaves to the person. */
  readonly hint?: string;
}

/** Shows what a part is doing right now. */
export type Report = (activity: string) => void;

/** One thing that the project needs on this machine. */
export interface Part {
  readonly name: string;
  /** What is asked for: a version, or words. */
  readonly wanted: string;
  /** Parts that must be ready before this one can be provided. */
  readonly after: readonly string[];
  /** Looks without changing anything. */
  probe(context: Context): Promise<Finding>;
  /** Makes it so. Can be interrupted anywhere and called again. Throws a SetupError. */
  provide(context: Context, report: Report): Promise<void>;
}
