import { replacementOrder } from "../replacementOrder.ts";
import type { Change } from "./change.ts";
import type { Deployed } from "./interruptions.ts";

/** One container that is made anew, in its turn. */
export interface ReplacementStep {
  readonly node: string;
  /** What has to be so again before its turn comes; null for the first one. */
  readonly once: string | null;
  /** Who waits meanwhile, and for what. */
  readonly waits: string;
}

/** The containers that are made anew, in the order in which they are: one at a time. Empty where none is. */
export function orderOf(changes: readonly Change[], deployed: Deployed | null): readonly ReplacementStep[] {
  if (deployed === null) return [];
  const writable = deployed.writable ?? "shared";
  const replaced = new Set(
    changes.flatMap(({ kind, action, node }) =>
      kind === "container" && action === "replaced" ? [node] : [],
    ),
  );
  const nodes = replacementOrder(deployed.topology, writable).filter((node) => replaced.has(node));
  return nodes.map((node, index) => ({
    node,
    once: index === 0 ? null : conditionOf(nodes[index - 1] ?? "", writable),
    waits: waitingFor(node, deployed, writable),
  }));
}

function conditionOf(node: string, writable: string): string {
  if (!node.endsWith("-database")) return `the gateway sends requests to ${node} again`;
  return node === `${writable}-database` ? `${node} is open, and followed, again` : `${node} streams again`;
}

function waitingFor(node: string, { topology }: Deployed, writable: string): string {
  if (node === "gateway") return "no connection is taken meanwhile";
  if (node.endsWith("-server")) return "what it works on is finished, the others take what comes";
  if (node.endsWith("-application")) return "what it works on is finished or cut, the others take what comes";
  if (node === `${writable}-database`) return "writes wait in the servers";
  return topology.synchronous ? "writes wait for its word" : "nothing waits, its server reads elsewhere";
}
