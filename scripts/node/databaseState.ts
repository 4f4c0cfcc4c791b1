import type Docker from "dockerode";
import { stateFolder } from "../../core/render/files.ts";
import { execute, readContainerFile } from "../docker/container.ts";

/** What the node's entrypoint says of itself before postgres runs. */
export async function nodeState(container: Docker.Container): Promise<string> {
  const text = await readContainerFile(container, `${stateFolder}/node-state.json`);
  if (text === undefined) return "the node has not said anything yet";
  const { state, detail } = JSON.parse(text) as { state: string; detail: string };
  return `${state}: ${detail}`;
}

/** Runs SQL as superuser over the node's local socket and returns the unaligned rows. */
export async function localSql(
  container: Docker.Container,
  sql: string,
  database = "postgres",
): Promise<string> {
  const { exitCode, stdout, stderr } = await execute(container, ["psql", "-XAtq", "-d", database, "-c", sql]);
  if (exitCode !== 0) throw new Error(stderr.trim());
  return stdout.trim();
}

/** Asks for readiness: `{done}` once PostgreSQL accepts connections, else what the node is doing. */
export async function databaseReady(
  container: Docker.Container,
): Promise<{ done: true } | { waitingFor: string }> {
  const { State } = await container.inspect();
  if (!State.Running) return { waitingFor: `the container to run (it is ${State.Status}; see docker logs)` };
  const { exitCode } = await execute(container, ["pg_isready", "--quiet"]);
  return exitCode === 0 ? { done: true } : { waitingFor: await nodeState(container) };
}
