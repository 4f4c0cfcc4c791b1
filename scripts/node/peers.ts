import type Docker from "dockerode";
import { z } from "zod";
import { configurationFolder } from "../../core/render/files.ts";
import { readContainerFile } from "../docker/container.ts";

const nodeSchema = z.object({ peers: z.record(z.string(), z.unknown()) });

/**
 * The other databases that a database node is configured to know (`node.json`), by name.
 *
 * @returns undefined where the container does not exist or was never configured
 */
export async function readPeers(container: Docker.Container): Promise<readonly string[] | undefined> {
  const text = await readContainerFile(container, `${configurationFolder}/node.json`);
  return text === undefined ? undefined : Object.keys(nodeSchema.parse(JSON.parse(text)).peers);
}
