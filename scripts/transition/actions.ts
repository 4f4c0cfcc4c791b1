import { stateFolder } from "../../core/render/files.ts";
import type { Step } from "../../core/transition/step.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { putFiles } from "../docker/container.ts";
import { messageOf } from "../observe/container.ts";
import { containerOf } from "../observe/index.ts";
import { awaitStreaming, standbyConnection } from "./awaitStreaming.ts";
import { type ActionContext, type ActionDetails, connectPatiently, nodeOf, withClient } from "./context.ts";
import { assertRoom, copy, renewSlot } from "./copy.ts";
import { firstWrite } from "./firstWrite.ts";
import { giveIntent, haveFollow, primaryIntent, standbyIntent } from "./intents.ts";
import { pauseAt } from "./pauseAt.ts";
import { PreparedCommand } from "./preparedCommand.ts";
import { rejoinOf } from "./rejoinFile.ts";
import { startTakeOver } from "./takeOver.ts";
import { readUnsentWal, recoveredBytes, type UnsentWal, unreadWords, unsentWords } from "./unsentWal.ts";

/** How long, in seconds, the first write on a new primary may wait for the old one to follow. */
const followPatienceSeconds = 60;

/** How long, in seconds, a checkpoint may take: with much memory it writes for minutes. */
const checkpointPatienceSeconds = 900;

/** How long `take-over` may say nothing, in seconds: it gives up by itself after a minute in which nothing was replayed. */
const takeOverSilenceSeconds = 90;

interface Stopped {
  readonly state: string;
  readonly lsn: string;
  readonly timeline: number;
  /** Why it has left the WAL alone that it was given. */
  readonly unsentProblem?: string;
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
      return follow(step, context);
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
  // While writes go on, so that the checkpoint at the stop has little left to write.
  await checkpoint(from, context);
  const [stepDown, takeOver] = await startTogether([
    () => PreparedCommand.start(oldPrimary, ["step-down", JSON.stringify(standbyIntent(context.goal, to))]),
    () => takeOverOf(to, context),
  ]);
  try {
    // Again, for what was written while the commands started.
    await checkpoint(from, context);
    const writesStoppedAt = performance.now();
    const stopped = await stepDown.go<Stopped>(["stop"], 90);
    const stoppedSeconds = (performance.now() - writesStoppedAt) / 1000;
    if (stopped.state !== "shut down")
      throw new Error(`${from} did not stop in order (it is "${stopped.state}")`);
    await pauseAt("stopped:switch-over", context.progress);
    const taken = await finish(takeOver, to, [stopped.lsn, String(stopped.timeline)], nothingUnsent, context);
    const promotedSeconds = (performance.now() - writesStoppedAt) / 1000;
    return {
      oldPrimaryEndedAt: stopped.lsn,
      replayedLsn: taken.replayedLsn,
      timeline: taken.timeline,
      stoppedSeconds,
      promotedSeconds,
      writesStoppedAt,
      ...(await firstWrite(to, context, followPatienceSeconds)),
    };
  } finally {
    takeOver.cancel();
    stepDown.cancel();
  }
}

/** Has a database write what it holds in memory only; says every few seconds that this takes long. */
async function checkpoint(name: DatabaseName, context: ActionContext): Promise<void> {
  const startedAt = performance.now();
  const telling = setInterval(() => {
    const seconds = (performance.now() - startedAt) / 1000;
    context.progress(`${name}: writes a checkpoint, ${seconds.toFixed(0)} s by now; nothing waits for it`);
  }, 5000);
  try {
    await withClient(context, name, (query) => query("CHECKPOINT", [], checkpointPatienceSeconds));
  } finally {
    clearInterval(telling);
  }
}

type Starting = () => Promise<PreparedCommand>;

/** Starts two commands at once; where one does not start the other one is let go, and does nothing. */
async function startTogether(
  starts: readonly [Starting, Starting],
): Promise<[PreparedCommand, PreparedCommand]> {
  const [first, second] = await Promise.allSettled([starts[0](), starts[1]()]);
  if (first.status === "fulfilled" && second.status === "fulfilled") return [first.value, second.value];
  for (const started of [first, second]) if (started.status === "fulfilled") started.value.cancel();
  throw first.status === "rejected" ? first.reason : second.status === "rejected" ? second.reason : undefined;
}

async function promote(
  step: Extract<Step, { kind: "promote" }>,
  context: ActionContext,
): Promise<ActionDetails> {
  const name = step.database;
  const started = performance.now();
  const [takeOver, unsent] = await Promise.all([
    takeOverOf(name, context),
    step.unsentFrom === null ? nothingUnsent : unsentWalOf(step.unsentFrom, name, context),
  ]);
  try {
    const seen = Math.max(step.seenTimeline, unsent.wal?.highestTimeline ?? 0);
    const words = [step.replayed ?? "-", String(seen)] as const;
    const taken = await finish(takeOver, name, words, unsent, context);
    const { replayedLsn, timeline } = taken;
    const found = { replayedLsn, timeline, ...unsentDetails(unsent, taken) };
    return { ...found, writesStoppedAt: started, ...(await firstWrite(name, context, 1)) };
  } finally {
    takeOver.cancel();
  }
}

interface Unsent {
  readonly wal?: UnsentWal;
  /** Why nothing could be read. */
  readonly problem?: string;
}
const nothingUnsent: Unsent = {};

/** What a database that is down had not sent. That it cannot be read keeps nobody from promoting: the loss was accepted. */
async function unsentWalOf(
  from: DatabaseName,
  standby: DatabaseName,
  context: ActionContext,
): Promise<Unsent> {
  try {
    const wal = (await context.earlyUnsentWal?.take(from)) ?? (await readNow(from, standby, context));
    return { wal };
  } catch (error) {
    const problem = messageOf(error);
    context.progress(`${from}: what it had not sent could not be read: ${problem}`);
    return { problem };
  }
}

async function readNow(
  from: DatabaseName,
  standby: DatabaseName,
  context: ActionContext,
): Promise<UnsentWal> {
  const client = await connectPatiently(context, standby);
  try {
    return await readUnsentWal(from, client, context);
  } finally {
    await client.end();
  }
}

/** For the evidence: what came of the WAL that was not sent. */
function unsentDetails({ wal, problem }: Unsent, taken: Taken): ActionDetails {
  const whyNot = problem ?? taken.unsentProblem;
  if (whyNot !== undefined) return { unsentWal: { problem: whyNot }, unsentUnread: true };
  if (!wal) return {};
  const { from, receivedLsn, isCut } = wal;
  const bytes = recoveredBytes(wal, taken.replayedLsn);
  return { unsentWal: { from, receivedLsn, bytes, ...(isCut ? { isCut } : {}) } };
}

/** What `take-over` says. */
interface Taken {
  readonly replayedLsn: string;
  readonly timeline: number;
  /** Why it has left the WAL alone that it was given. */
  readonly unsentProblem?: string;
}

/**
 * Gives `take-over` its word: the position that must be replayed first, the highest timeline that was seen, and what the
 * other database had not sent.
 */
function finish(
  takeOver: PreparedCommand,
  name: DatabaseName,
  words: readonly [replayed: string, seenTimeline: string],
  { wal, problem }: Unsent,
  context: ActionContext,
): Promise<Taken> {
  const unsent = problem === undefined ? unsentWords(wal) : [unreadWords];
  return takeOver.go([...words, ...unsent], takeOverSilenceSeconds, (line) =>
    context.progress(`${name}: ${line}`),
  );
}

function takeOverOf(name: DatabaseName, context: ActionContext): Promise<PreparedCommand> {
  return context.earlyTakeOver?.take(name) ?? startTakeOver(name, context);
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
  const was = State.Status;
  // Whoever starts it from here on starts it with the new intent; it must not have been started before.
  const after = (await container.inspect()).State;
  const isDown = !after.Running && after.StartedAt === State.StartedAt;
  if (isDown) context.given.give(node.node, after.FinishedAt, intent);
  return { was, ...(isDown && !State.Running ? { fencedWhileDown: { database: name, intent } } : {}) };
}

async function follow(
  { database: name, upstream, expected }: Extract<Step, { kind: "follow" }>,
  context: ActionContext,
): Promise<ActionDetails> {
  const node = nodeOf(context, name);
  const isWalGone = expected.method === "base-backup";
  if (isWalGone) await assertRoom(node, upstream, context);
  await haveFollow(node, upstream, isWalGone, context);
  // After the word: as long as the slot is lost a plan made anew says the same.
  if (isWalGone) await renewSlot(node, upstream, context);
  await using standby = standbyConnection(name, context);
  await awaitStreaming(name, upstream, standby, context);
  const rejoin = await rejoinOf(name, standby, context);
  // Where replication is synchronous writes may have waited for this step.
  const { synchronous } = context.topology;
  return { rejoin, ...(synchronous ? await firstWrite(upstream, context, followPatienceSeconds) : {}) };
}
