import { execa } from "execa";
import { parseLsn } from "../../core/lsn.ts";
import { segmentName } from "../../core/transition/unsentWal.ts";
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

/**
 * Has what a node sends to others lost, as by a firewall between them: both go on, and all others reach both. Until the
 * returned function is called. Needs root.
 */
export async function lose(nodes: Nodes, from: string, ...to: string[]): Promise<() => Promise<void>> {
  const pid = await nodes.inspect(from, "{{.State.Pid}}");
  const addresses = await Promise.all(
    to.map((node) => nodes.inspect(node, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")),
  );
  const rule = ["OUTPUT", "--destination", addresses.join(","), "--jump", "DROP"];
  const tables = ["--target", pid, "--net", "iptables"];
  await execa("nsenter", [...tables, "--append", ...rule]);
  return async () => {
    await execa("nsenter", [...tables, "--delete", ...rule]);
  };
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

/** Halts a program on a node once there is a file; whether it was seen to begin, and halted, within some 15 s. */
export async function haltOnce(nodes: Nodes, node: string, program: string, file: string): Promise<boolean> {
  const halt = `nap() { read -r -t 0.003 <> <(:); }
  for _ in {1..5000}; do
    for process in /proc/[0-9]*; do
      { read -r name < "$process/comm"; } 2>/dev/null
      [ "$name" = "$0" ] || continue
      until [ -s "$1" ]; do nap; done
      kill -STOP "\${process#/proc/}" && exit 0
    done
    nap
  done
  exit 1`;
  return (await nodes.exec(node, "bash", "-c", halt, program, file)).exitCode === 0;
}

/** Starts the data that was kept aside, alone and for no other client, and returns the tables that it holds. */
export async function tablesKeptAside(
  nodes: Nodes,
  node: string,
  folder: string,
): Promise<readonly string[]> {
  const { exitCode, stdout, stderr } = await nodes.exec(
    node,
    ...["bash", "-c", `echo "${tablesSql}" | postgres --single -D "$0" -c config_file="$1" postgres`],
    ...[folder, "/var/lib/pg-continuity/config/postgresql.conf"],
  );
  if (exitCode !== 0) throw new Error(`postgres --single: ${stderr.trim()}`);
  return [...stdout.matchAll(/relname = "(\w+)"/g)].map(([, name = ""]) => name);
}

const tablesSql =
  "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";

/** On the disk of the shared database, which is down: removes from the WAL what its replica has not received. */
export async function forgetUnsent(nodes: Nodes): Promise<void> {
  const replica = (sql: string) => nodes.sql("read-only-database", sql);
  const segments = "FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'";
  const timeline = Number.parseInt(await replica(`SELECT max(left(name, 8)) ${segments}`), 16);
  const received = parseLsn(await replica("SELECT pg_last_wal_receive_lsn()"));
  const segmentBytes = Number(await replica("SELECT pg_size_bytes(current_setting('wal_segment_size'))"));
  const segment = `/var/lib/postgresql/data/pg_wal/${segmentName(timeline, received, segmentBytes)}`;
  const offset = received % segmentBytes;
  await inVolumes(
    nodes,
    "shared-database",
    `test -e ${segment} && truncate --size=${offset} ${segment} && truncate --size=${segmentBytes} ${segment}`,
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
