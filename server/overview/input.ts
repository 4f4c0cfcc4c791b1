import type { DatabaseName, ServerName } from "../../core/vocabulary.ts";
import type { Alerting } from "../alerts/watch.ts";
import type { BackupView } from "../backups/watch.ts";
import type { ClusterState } from "../databases/cluster.ts";
import type { DatabaseDetail } from "../databases/detail.ts";
import type { Lag } from "./lag.ts";
import type { ApplicationView, Deployment, GatewayView, PeerAnswer, PeerView } from "./peers.ts";

/** What a server has seen, of which it makes its overview. */
export interface OverviewInput {
  readonly server: ServerName;
  readonly stack: string;
  readonly deployment: Deployment;
  /** Names that people have given, by server. */
  readonly names: ReadonlyMap<string, string>;
  readonly addresses: ReadonlyMap<DatabaseName, string>;
  readonly cluster: ClusterState;
  readonly details: ReadonlyMap<DatabaseName, DatabaseDetail>;
  /** Since when each database is what it is; milliseconds since the epoch. */
  readonly since: ReadonlyMap<DatabaseName, number>;
  readonly lag: Lag | null;
  /** What this server would answer to another. */
  readonly self: PeerAnswer;
  readonly peers: readonly PeerView[];
  readonly applications: readonly ApplicationView[];
  readonly gateway: GatewayView;
  readonly alerting: Alerting;
  /** Null where none are made. */
  readonly backups: BackupView | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What a server says of itself; null while it does not answer. */
export function answerOf(input: OverviewInput, server: ServerName): PeerAnswer | null {
  if (server === input.server) return input.self;
  return input.peers.find(({ name }) => name === server)?.answer ?? null;
}
