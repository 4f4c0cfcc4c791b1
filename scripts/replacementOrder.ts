import { replacementOrder, writableAsTold } from "../core/replacementOrder.ts";
import type { DatabaseNode, Topology } from "../core/topology.ts";
import { readIntent } from "./node/intentFile.ts";
import { observeContainer } from "./observe/container.ts";
import { lookAt } from "./observe/index.ts";

/**
 * The order in which a running deployment's containers are to be made anew, by who is writable now. Looked up in the
 * containers, because Pulumi knows no roles. Only reads; what cannot be asked counts as told nothing.
 *
 * @returns undefined where there is no database yet: then nothing has to wait for anything
 */
export async function readReplacementOrder(topology: Topology): Promise<readonly string[] | undefined> {
  const seen = await Promise.all(topology.databases.map(lookUp));
  if (seen.every(({ isMissing }) => isMissing)) return undefined;
  const intents = Object.fromEntries(
    seen.flatMap(({ name, intent }) => (intent === undefined ? [] : [[name, intent]])),
  );
  return replacementOrder(topology, writableAsTold(intents));
}

async function lookUp(database: DatabaseNode) {
  const { name } = database;
  try {
    const container = lookAt(database);
    const [observed, intent] = await Promise.all([observeContainer(container), readIntent(container)]);
    return { name, intent, isMissing: observed.known && observed.value.state === "missing" };
  } catch {
    // An engine that does not answer; the preflight says so.
    return { name, intent: undefined, isMissing: false };
  }
}
