import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { isConnectionFailure } from "../../core/connectionFailure.ts";
import type { RejoinObservation } from "../../core/observation.ts";
import type { DatabaseNode, Topology } from "../../core/topology.ts";
import type { FencedWhileDown } from "../../core/transition/carryOver.ts";
import type { Goal } from "../../core/transition/step.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import type { GivenIntents } from "../observe/givenIntents.ts";
import type { ConnectionTo } from "../observe/index.ts";
import { connectDatabase, type DatabaseAccess } from "../observe/postgres.ts";
import type { EarlyTakeOver } from "./takeOver.ts";
import type { EarlyUnsentWal } from "./unsentWal.ts";

/** What a step needs, and how it tells of its progress. */
export interface ActionContext {
  readonly topology: Topology;
  readonly goal: Goal;
  /** The operator role: checkpoints, slots, the record of transitions. */
  readonly operator: DatabaseAccess;
  readonly progress: (text: string) => void;
  /** A connection of the operator role that stands already; undefined where there is none. */
  readonly connectionTo: ConnectionTo;
  /** What this transition has told databases that are down. */
  readonly given: GivenIntents;
  /** The command that promotes, started ahead of time where the transition may need it. */
  readonly earlyTakeOver?: EarlyTakeOver;
  /** What the other database had not sent, read ahead of time where it is down. */
  readonly earlyUnsentWal?: EarlyUnsentWal;
}

/** What a step found out, for the evidence. */
export type ActionDetails = Readonly<Record<string, unknown>> & {
  /** When the order to stop writes was given, in milliseconds of the monotonic clock. */
  readonly writesStoppedAt?: number;
  /** When the new primary had committed its first write. */
  readonly writesResumedAt?: number;
  /** Set where what the old primary had not sent could not be read, or was left alone. */
  readonly unsentUnread?: boolean;
  /** How a database has become a standby. */
  readonly rejoin?: RejoinObservation | null;
  /** Set where the step has changed this and nothing else. */
  readonly fencedWhileDown?: FencedWhileDown;
};

/** The node of a database of the topology. */
export function nodeOf(context: Pick<ActionContext, "topology">, name: DatabaseName): DatabaseNode {
  const node = context.topology.databases.find((database) => database.name === name);
  if (!node) throw new Error(`the model has no database named ${name}`);
  return node;
}

type Query = <R>(sql: string, values?: readonly unknown[], patienceSeconds?: number) => Promise<R[]>;

/** A connection of the operator role; tries for some seconds, because a database may just be opening. */
export async function connectPatiently(context: ActionContext, name: DatabaseName): Promise<pg.Client> {
  const deadline = Date.now() + 10_000;
  while (true) {
    try {
      return await connectDatabase(nodeOf(context, name), context.operator);
    } catch (error) {
      if (Date.now() > deadline || !isConnectionFailure(error)) throw error;
      await sleep(50);
    }
  }
}

/** Runs work on a connection of the operator role; tries for some seconds, because a database may just be opening. */
export async function withClient<T>(
  context: ActionContext,
  name: DatabaseName,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const node = nodeOf(context, name);
  const deadline = Date.now() + 10_000;
  while (true) {
    try {
      const client = await connectDatabase(node, context.operator);
      try {
        return await work(
          async <R>(text: string, values: readonly unknown[] = [], patienceSeconds?: number) => {
            const limit = patienceSeconds === undefined ? {} : { query_timeout: patienceSeconds * 1000 };
            const { rows } = await client.query({ text, values: [...values], ...limit });
            return rows as R[];
          },
        );
      } finally {
        await client.end();
      }
    } catch (error) {
      if (Date.now() > deadline || !isConnectionFailure(error)) throw error;
      await sleep(50);
    }
  }
}
