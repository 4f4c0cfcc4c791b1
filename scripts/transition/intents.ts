import type { Intent } from "../../core/intent.ts";
import { stateFolder } from "../../core/render/files.ts";
import type { DatabaseNode } from "../../core/topology.ts";
import type { Goal } from "../../core/transition/step.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { putFiles } from "../docker/container.ts";
import { readIntent, writeIntent } from "../node/intentFile.ts";
import { containerOf } from "../observe/index.ts";
import type { ActionContext } from "./context.ts";

/** The intent of the database that a transition makes the writable one. */
export function primaryIntent(goal: Goal): Intent {
  return {
    version: 1,
    role: "primary",
    transitionId: goal.transitionId,
    writtenAt: new Date().toISOString(),
  };
}

/** The intent of a database that follows another one. */
export function standbyIntent(goal: Goal, upstream: DatabaseName): Intent {
  return {
    version: 1,
    role: "standby",
    upstream,
    transitionId: goal.transitionId,
    keepDiverged: goal.keepDiverged,
    writtenAt: new Date().toISOString(),
  };
}

/**
 * Has a node follow `upstream`: gives it the intent, and starts its container where it is stopped. One that has this very
 * transition's word already is not given it again, which would only restart it.
 *
 * @param isWalGone whether the upstream has not kept the WAL that the node's data needs
 */
export async function haveFollow(
  node: DatabaseNode,
  upstream: DatabaseName,
  isWalGone: boolean,
  context: ActionContext,
): Promise<void> {
  const { State } = await containerOf(node).inspect();
  const intent = await intentOf(node, State, context);
  const { goal } = context;
  const hasWord = isWord(intent, upstream, goal) && (intent?.walGone === true || !isWalGone);
  if (hasWord && State.Running) return;
  if (hasWord && intent?.keepDiverged === goal.keepDiverged) return start(node, context);
  const word = { ...standbyIntent(goal, upstream), ...(isWalGone ? { walGone: true } : {}) };
  await giveIntent(node, word, context);
}

/** The intent of a node; of one that is down, as this transition has given it. */
async function intentOf(
  node: DatabaseNode,
  state: { readonly Running: boolean; readonly FinishedAt: string },
  { given }: ActionContext,
): Promise<Intent | undefined> {
  return (
    (state.Running ? undefined : given.of(node.node, state.FinishedAt)) ??
    (await readIntent(containerOf(node)))
  );
}

/** Whether a running node has this very transition's word already. */
export async function obeys(node: DatabaseNode, upstream: DatabaseName, goal: Goal): Promise<boolean> {
  const container = containerOf(node);
  const [{ State }, intent] = await Promise.all([container.inspect(), readIntent(container)]);
  return State.Running && isWord(intent, upstream, goal);
}

function isWord(intent: Intent | undefined, upstream: DatabaseName, goal: Goal): boolean {
  return (
    intent?.role === "standby" && intent.upstream === upstream && intent.transitionId === goal.transitionId
  );
}

/** Writes a node's intent and wakes the node; starts its container where it is stopped. */
export async function giveIntent(node: DatabaseNode, intent: Intent, context: ActionContext): Promise<void> {
  const container = containerOf(node);
  const { State } = await container.inspect();
  if (State.Running) {
    await writeIntent(container, intent, { wake: true });
    return;
  }
  await putFiles(container, stateFolder, [{ path: "intent.json", content: `${JSON.stringify(intent)}\n` }]);
  await start(node, context);
}

async function start(node: DatabaseNode, context: ActionContext): Promise<void> {
  context.progress(`starting the container of ${node.name}`);
  await containerOf(node).start();
}
