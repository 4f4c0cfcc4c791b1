import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import type { Intent } from "../../core/intent.ts";
import type { RejoinObservation } from "../../core/observation.ts";
import { stateFolder } from "../../core/render/files.ts";
import type { DatabaseNode, Topology } from "../../core/topology.ts";
import type { Goal, Step } from "../../core/transition/step.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { execute, putFiles, readContainerFile } from "../docker/container.ts";
import { readIntent, writeIntent } from "../node/intentFile.ts";
import { containerOf } from "../observe/index.ts";
import { connectDatabase, type DatabaseAccess } from "../observe/postgres.ts";
import { awaitCopy, awaitStreaming } from "./awaitStreaming.ts";
import { pauseAt } from "./pauseAt.ts";
import { PreparedCommand } from "./preparedCommand.ts";

/** What a step needs, and how it tells of its progress. */
export interface ActionContext {
  readonly topology: Topology;
  readonly goal: Goal;
  /** The operator role: checkpoints, slots, the record of transitions. */
  readonly operator: DatabaseAccess;
  readonly progress: (text: string) => void;
}

/** What a step found out, for the evidence. */
export type ActionDetails = Readonly<Record<string, unknown>> & {
  /** When the order to stop writes was given, in milliseconds of the monotonic clock. */
  readonly writesStoppedAt?: number;
  /** When the new primary had committed its first write. */
  readonly writesResumedAt?: number;
};

interface Stopped {
  readonly state: string;
  readonly lsn: string;
  readonly timeline: number;
}

/** Runs one step. Throws when it could not be done; the driver then looks what is the case. */
export async function act(step: Step, context: ActionContext): Promise<ActionDetails> {
  switch (step.kind) {
    case "switch-over":
      return switchOver(step.from, step.to, context);
    case "promote":
      return promote(step, context);
    case "fence":
      return fence(step.database, step.follows, context);
    case "follow":
      return follow(step.database, step.upstream, context);
    case "copy":
      return copy(step.database, step.upstream, context);
    case "record-intent":
      await giveIntent(nodeOf(context, step.database), primaryIntent(context.goal), context);
      return {};
  }
}

/** The order of these lines is what no write is lost by: stop, know the last byte, replay it, promote. */
async function switchOver(
  from: DatabaseName,
  to: DatabaseName,
  context: ActionContext,
): Promise<ActionDetails> {
  const oldPrimary = containerOf(nodeOf(context, from));
  const newPrimary = containerOf(nodeOf(context, to));
  // A checkpoint while writes go on: the one at the stop then has little left to write.
  await withClient(context, from, (query) => query("CHECKPOINT"));
  const [stepDown, takeOver] = await Promise.all([
    PreparedCommand.start(oldPrimary, ["step-down"]),
    PreparedCommand.start(newPrimary, ["take-over"]),
  ]);
  try {
    const writesStoppedAt = performance.now();
    const stopped = await stepDown.go<Stopped>([JSON.stringify(standbyIntent(context.goal, to))], 90);
    const stoppedSeconds = (performance.now() - writesStoppedAt) / 1000;
    if (stopped.state !== "shut down")
      throw new Error(`${from} did not stop in order (it is "${stopped.state}")`);
    await pauseAt("stopped:switch-over", context.progress);
    const taken = await takeOver.go<{ replayedLsn: string; timeline: number }>(
      [stopped.lsn, String(stopped.timeline), JSON.stringify(primaryIntent(context.goal))],
      60,
    );
    const promotedSeconds = (performance.now() - writesStoppedAt) / 1000;
    return {
      oldPrimaryEndedAt: stopped.lsn,
      replayedLsn: taken.replayedLsn,
      timeline: taken.timeline,
      stoppedSeconds,
      promotedSeconds,
      writesStoppedAt,
      writesResumedAt: await firstWrite(to, context),
    };
  } finally {
    takeOver.cancel();
    stepDown.cancel();
  }
}

async function promote(
  step: Extract<Step, { kind: "promote" }>,
  context: ActionContext,
): Promise<ActionDetails> {
  const name = step.database;
  const started = performance.now();
  const takeOver = await PreparedCommand.start(containerOf(nodeOf(context, name)), ["take-over"]);
  try {
    const taken = await takeOver.go<{ replayedLsn: string; timeline: number }>(
      [step.replayed ?? "-", String(step.seenTimeline), JSON.stringify(primaryIntent(context.goal))],
      60,
    );
    return { ...taken, writesStoppedAt: started, writesResumedAt: await firstWrite(name, context) };
  } finally {
    takeOver.cancel();
  }
}

/** Commits a write on the new primary, and says when it was. */
function firstWrite(name: DatabaseName, context: ActionContext): Promise<number> {
  return withClient(context, name, async (query) => {
    // A transaction that is written to the WAL and committed: a write, without a table.
    await query("SELECT pg_logical_emit_message(true, 'pg-continuity', $1)", [context.goal.transitionId]);
    return performance.now();
  });
}

/** Down or silent: what runs is ended, and its intent is changed in the volume, so that no start opens it for writes. */
async function fence(
  name: DatabaseName,
  upstream: DatabaseName,
  context: ActionContext,
): Promise<ActionDetails> {
  const node = nodeOf(context, name);
  const container = containerOf(node);
  const { State } = await container.inspect();
  const intent = standbyIntent(context.goal, upstream);
  if (State.Running) {
    context.progress(`stopping the container of ${name}`);
    await container.stop({ t: 10 });
  }
  await putFiles(container, stateFolder, [{ path: "intent.json", content: `${JSON.stringify(intent)}\n` }]);
  return { was: State.Status };
}

async function follow(
  name: DatabaseName,
  upstream: DatabaseName,
  context: ActionContext,
): Promise<ActionDetails> {
  const node = nodeOf(context, name);
  if (!(await obeys(node, upstream, context.goal)))
    await giveIntent(node, standbyIntent(context.goal, upstream), context);
  await awaitStreaming(name, upstream, context);
  return { rejoin: await rejoinOf(containerOf(nodeOf(context, name)), context.goal) };
}

async function copy(
  name: DatabaseName,
  upstream: DatabaseName,
  context: ActionContext,
): Promise<ActionDetails> {
  const node = nodeOf(context, name);
  const started = performance.now();
  const room = await roomFor(node, upstream, context);
  if (room.freeBytes !== null && room.freeBytes < room.neededBytes)
    throw new Error(
      `${name}: ${room.neededBytes} bytes are needed for the copy, ${room.freeBytes} are free. Make room in its data volume, and run this again.`,
    );
  if (!(await obeys(node, upstream, context.goal))) {
    await renewSlot(node, upstream, context);
    await giveIntent(node, { ...standbyIntent(context.goal, upstream), fresh: true }, context);
  }
  await awaitCopy(name, upstream, context);
  await awaitStreaming(name, upstream, context);
  const seconds = (performance.now() - started) / 1000;
  return { bytes: room.databaseBytes, seconds, bytesPerSecond: Math.round(room.databaseBytes / seconds) };
}

/** Whether a running node has this very transition's word already: giving it again would only restart it. */
async function obeys(node: DatabaseNode, upstream: DatabaseName, goal: Goal): Promise<boolean> {
  const container = containerOf(node);
  const [{ State }, intent] = await Promise.all([container.inspect(), readIntent(container)]);
  return (
    State.Running &&
    intent?.role === "standby" &&
    intent.upstream === upstream &&
    intent.transitionId === goal.transitionId
  );
}

/** A slot that was lost or points far back is dropped and made anew, so that the copy starts with all the WAL it needs. */
async function renewSlot(node: DatabaseNode, upstream: DatabaseName, context: ActionContext): Promise<void> {
  await withClient(context, upstream, async (query) => {
    await query(
      "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active AND wal_status = 'lost'",
      [node.slot],
    );
    await query(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active",
      [node.slot],
    );
    await query(
      "SELECT pg_create_physical_replication_slot($1, true) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)",
      [node.slot],
    );
  });
}

async function roomFor(
  node: DatabaseNode,
  upstream: DatabaseName,
  context: ActionContext,
): Promise<{ databaseBytes: number; neededBytes: number; freeBytes: number | null }> {
  const databaseBytes = await withClient(context, upstream, async (query) => {
    const [row] = await query<{ bytes: string }>(
      "SELECT sum(pg_database_size(oid))::text AS bytes FROM pg_database",
    );
    return Number(row?.bytes ?? 0);
  });
  // The data, and as much again as WAL that comes while it is copied, within bounds.
  const neededBytes = databaseBytes + Math.min(databaseBytes, 1024 ** 3);
  const container = containerOf(node);
  const { State } = await container.inspect();
  if (!State.Running) return { databaseBytes, neededBytes, freeBytes: null };
  const df = await execute(container, ["df", "--output=avail", "-B1", "/var/lib/postgresql"]);
  const du = await execute(container, ["du", "-sb", "/var/lib/postgresql/data"]);
  // The old data goes before the copy begins.
  const own = Number(du.stdout.split("\t")[0] ?? 0) || 0;
  return { databaseBytes, neededBytes, freeBytes: Number(df.stdout.trim().split("\n").at(-1)) + own };
}

/** Writes a node's intent and wakes the node; starts its container where it is stopped. */
async function giveIntent(node: DatabaseNode, intent: Intent, context: ActionContext): Promise<void> {
  const container = containerOf(node);
  const { State } = await container.inspect();
  if (State.Running) {
    await writeIntent(container, intent, { wake: true });
    return;
  }
  await putFiles(container, stateFolder, [{ path: "intent.json", content: `${JSON.stringify(intent)}\n` }]);
  context.progress(`starting the container of ${node.name}`);
  await container.start();
}

async function rejoinOf(container: Docker.Container, goal: Goal): Promise<RejoinObservation | null> {
  const text = await readContainerFile(container, `${stateFolder}/rejoin.json`);
  if (text === undefined) return null;
  const rejoin = JSON.parse(text) as RejoinObservation;
  return rejoin.transitionId === goal.transitionId ? rejoin : null;
}

function primaryIntent(goal: Goal): Intent {
  return {
    version: 1,
    role: "primary",
    transitionId: goal.transitionId,
    writtenAt: new Date().toISOString(),
  };
}

function standbyIntent(goal: Goal, upstream: DatabaseName): Intent {
  return {
    version: 1,
    role: "standby",
    upstream,
    transitionId: goal.transitionId,
    keepDiverged: goal.keepDiverged,
    writtenAt: new Date().toISOString(),
  };
}

/** The node of a database of the topology. */
export function nodeOf(context: Pick<ActionContext, "topology">, name: DatabaseName): DatabaseNode {
  const node = context.topology.databases.find((database) => database.name === name);
  if (!node) throw new Error(`the model has no database named ${name}`);
  return node;
}

type Query = <R>(sql: string, values?: readonly unknown[]) => Promise<R[]>;

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
        return await work(async <R>(sql: string, values: readonly unknown[] = []) => {
          const { rows } = await client.query(sql, [...values]);
          return rows as R[];
        });
      } finally {
        await client.end();
      }
    } catch (error) {
      if (Date.now() > deadline || !isConnectionProblem(error)) throw error;
      await sleep(50);
    }
  }
}

function isConnectionProblem(error: unknown): boolean {
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  return code.startsWith("ECONN") || code.startsWith("57P") || code.startsWith("08");
}
