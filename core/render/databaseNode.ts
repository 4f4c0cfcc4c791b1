import { type DatabaseNode, endpoint, peersOf, type Topology, witnessesOf } from "../topology.ts";

/** `node.json` of a database node: who it is, where its peers are, whom its guard may ask. Read by the node's scripts. */
export function renderDatabaseNode(topology: Topology, database: DatabaseNode): string {
  const peers = peersOf(topology, database).map((peer) => {
    const { address, port } = endpoint(database, peer);
    return [peer.name, { address, port, slot: peer.slot }] as const;
  });
  const witnesses = witnessesOf(topology, database).map((server) => {
    const { address, port } = endpoint(database, server);
    return `https://${address}:${port}/witness`;
  });
  const node = {
    node: database.node,
    name: database.name,
    containerName: database.containerName,
    slot: database.slot,
    peers: Object.fromEntries(peers),
    witnesses,
  };
  return `${JSON.stringify(node, null, 2)}\n`;
}
