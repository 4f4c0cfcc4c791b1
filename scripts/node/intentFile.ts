import type Docker from "dockerode";
import { z } from "zod";
import { type Intent, intentSchema } from "../../core/intent.ts";
import { stateFolder } from "../../core/render/files.ts";
import { execute, putFiles, readContainerFile } from "../docker/container.ts";

const guardSchema = z.object({ peers: z.array(z.string()) });

/** The intent of a database node, running or stopped; undefined before it was given one. */
export async function readIntent(container: Docker.Container): Promise<Intent | undefined> {
  const text = await readContainerFile(container, `${stateFolder}/intent.json`);
  return text === undefined ? undefined : intentSchema.parse(JSON.parse(text));
}

/**
 * Gives a running node its intent, in one step: the entrypoint never sees half a file.
 *
 * @param wake tells the node at once (see `signalMain` for why not by the engine's `kill`)
 */
export async function writeIntent(
  container: Docker.Container,
  intent: Intent,
  { wake = false }: { readonly wake?: boolean } = {},
): Promise<void> {
  await putFiles(container, stateFolder, [
    { path: "intent.json.new", content: `${JSON.stringify(intent)}\n` },
  ]);
  await renameInState(container, "intent.json.new", "intent.json", wake ? " && kill -s USR1 1" : "");
}

/**
 * Tells a node's guard which other databases can have been promoted. Written before a standby is attached: from then
 * on the node does not open for writes unless somebody confirms that no one was.
 */
export async function armGuard(container: Docker.Container, peers: readonly string[]): Promise<void> {
  await putFiles(container, stateFolder, [
    { path: "guard.json.new", content: `${JSON.stringify({ peers })}\n` },
  ]);
  await renameInState(container, "guard.json.new", "guard.json");
}

/** The databases that a node's guard asks; none before it was armed. */
export async function readGuard(container: Docker.Container): Promise<readonly string[]> {
  const text = await readContainerFile(container, `${stateFolder}/guard.json`);
  return text === undefined ? [] : guardSchema.parse(JSON.parse(text)).peers;
}

async function renameInState(
  container: Docker.Container,
  from: string,
  to: string,
  andThen = "",
): Promise<void> {
  const script = `sync "$1" && mv "$1" "$2"${andThen}`;
  const { exitCode, stderr } = await execute(container, [
    "sh",
    "-c",
    `cd ${stateFolder} && ${script}`,
    "sh",
    from,
    to,
  ]);
  if (exitCode !== 0) throw new Error(`${stateFolder}/${to} could not be written: ${stderr.trim()}`);
}
