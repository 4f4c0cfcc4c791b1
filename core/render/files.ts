/** A file of a node's configuration folder. */
export interface ConfigurationFile {
  /** Name relative to the folder. */
  readonly name: string;
  readonly content: string;
  /** 0o600 unless said otherwise: most hold secrets. Everything belongs to the node's user. */
  readonly mode?: number;
}

/** Where a node finds its configuration: a link that is swapped as a whole. */
export const configurationFolder = "/var/lib/pg-continuity/config";

/** In the node's own memory: the parameters whose order between standby and primary matters (`core/restartPlan.ts`). */
export const restartFile = "restart.conf";

/** In the node's own memory: whose word a write waits for. Written by the step that switches synchronous replication. */
export const synchronousFile = "synchronous.conf";

/** The node's own memory: intent, highest timeline seen. Beside the configuration, never inside. */
export const stateFolder = "/var/lib/pg-continuity";

/** What a database node keeps there of itself, for whoever observes it. */
export const stateFiles = [
  "intent.json",
  "node-state.json",
  "stopped.json",
  "kept.json",
  "rejoin.json",
] as const;
