import { eventually, type Nodes } from "./nodes.ts";

const databaseNodes = { shared: "shared-database", "read-only": "read-only-database" } as const;
export type DatabaseKey = keyof typeof databaseNodes;

/** Takes a node off the network as a cut cable does: its container goes on. */
export async function cutOff(nodes: Nodes, node: string): Promise<void> {
  await nodes.docker("network", "disconnect", "--force", nodes.network, nodes.container(node));
}

export async function reconnect(nodes: Nodes, node: string): Promise<void> {
  await nodes.docker("network", "connect", "--alias", node, nodes.network, nodes.container(node));
}

/** Writes on the shared database what its replica never gets, then kills it. The container stays down. */
export async function divergeAndKill(nodes: Nodes, table: string, checkpoint = "CHECKPOINT"): Promise<void> {
  await cutOff(nodes, "read-only-database");
  await eventually(
    "the replica is cut off",
    async () => (await nodes.sql("shared-database", "SELECT count(*) FROM pg_stat_replication")) === "0",
  );
  await nodes.sql(
    "shared-database",
    `CREATE TABLE ${table} AS SELECT generate_series(1, 1000) AS only_here; ${checkpoint}`,
  );
  await nodes.sql("shared-database", `INSERT INTO ${table} SELECT generate_series(1001, 2000)`);
  await nodes.docker("kill", nodes.container("shared-database"));
  await reconnect(nodes, "read-only-database");
  await eventually(
    "the replica answers again",
    async () => (await nodes.exec("read-only-database", "pg_isready", "--quiet")).exitCode === 0,
  );
}

/** Runs a shell line as root with a stopped node's volumes: what a person with the disk in hand could do. */
export async function inVolumes(nodes: Nodes, node: string, script: string): Promise<string> {
  const container = nodes.container(node);
  const image = await nodes.inspect(node, "{{.Config.Image}}");
  return nodes.docker(
    ...["run", "--rm", "--user", "0", "--network", "none", "--volumes-from", container],
    ...["--label", `pg-continuity.stack=${nodes.network.replace("pg-continuity-", "")}`],
    ...["--entrypoint", "sh", image, "-c", script],
  );
}

/** Whether a database lets somebody write, asked as superuser over its own socket. */
export async function acceptsWrites(nodes: Nodes, database: DatabaseKey): Promise<boolean> {
  const node = databaseNodes[database];
  const statement = "SELECT pg_logical_emit_message(true, 'test', 'a write')";
  return (await nodes.exec(node, "psql", "-XAtq", "-d", "postgres", "-c", statement)).exitCode === 0;
}

/** What a node's entrypoint says of itself. */
export async function nodeSays(nodes: Nodes, database: DatabaseKey): Promise<string> {
  const { stdout } = await nodes.exec(
    databaseNodes[database],
    "cat",
    "/var/lib/pg-continuity/node-state.json",
  );
  if (stdout === "") return "nothing";
  const { state, detail } = JSON.parse(stdout) as { state: string; detail: string };
  return `${state}: ${detail}`;
}
