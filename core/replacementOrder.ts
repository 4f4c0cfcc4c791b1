import type { Intent } from "./intent.ts";
import { allNodes, type Topology } from "./topology.ts";
import type { DatabaseName } from "./vocabulary.ts";

/** Of the servers, whom the gateway turns to first goes last among those that can stand in for it. */
const serversInTurn = ["secondary", "primary", "read-only"];

/**
 * The order in which the containers of a deployment are made anew, one at a time: the standby before the writable
 * database, so that a new image or limit is tried where nobody writes; then the servers and the gateway; applications of one's own last.
 *
 * @returns names of nodes
 */
export function replacementOrder(topology: Topology, writable: DatabaseName): readonly string[] {
  const turnOf = (node: ReturnType<typeof allNodes>[number]) => {
    if (node.kind === "gateway") return 10;
    // Each beside its server, and each only once the gateway finds the one before well.
    if (node.kind === "application") return 11;
    if (node.kind === "server") return 2 + serversInTurn.indexOf(node.name);
    return node.name === writable ? 1 : 0;
  };
  return [...allNodes(topology)].sort((a, b) => turnOf(a) - turnOf(b)).map(({ node }) => node);
}

/**
 * Which database is the writable one, by what the nodes have been told. After an emergency promote the old primary may
 * still have its old intent: the newer one counts.
 */
export function writableAsTold(intents: Readonly<Partial<Record<DatabaseName, Intent>>>): DatabaseName {
  const { shared, "read-only": readOnly } = intents;
  if (readOnly?.role !== "primary") return "shared";
  if (shared?.role !== "primary") return "read-only";
  return readOnly.writtenAt > shared.writtenAt ? "read-only" : "shared";
}
