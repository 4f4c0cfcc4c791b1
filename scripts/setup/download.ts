import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Context } from "./context.ts";

const systems: Partial<Record<NodeJS.Platform, string>> = { linux: "linux", darwin: "darwin" };
const architectures: Partial<Record<NodeJS.Architecture, string>> = { x64: "x64", arm64: "arm64" };

/** Where the official installer gets the CLI from. */
export function officialCliUrl(
  version: string,
  platform: NodeJS.Platform = process.platform,
  architecture: NodeJS.Architecture = process.arch,
): string {
  const system = systems[platform];
  const processor = architectures[architecture];
  if (!system || !processor) throw new Error(`there is no Pulumi CLI for ${platform} on ${architecture}`);
  return `https://get.pulumi.com/releases/sdk/pulumi-v${version}-${system}-${processor}.tar.gz`;
}

/** Writes what is at the address to a file; ends with an error when nothing comes for 30 s, or after 10 minutes. */
export async function download(context: Context, url: string, file: string): Promise<void> {
  context.log.write(`fetching ${url}`);
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(new Error("nothing came for 5 s")), 5_000);
  const signal = AbortSignal.any([context.signal, silence.signal, AbortSignal.timeout(600_000)]);
  try {
    const response = await fetch(url, { signal });
    if (!response.ok || !response.body) throw new Error(`${url} answers ${response.status}`);
    const body = Readable.fromWeb(response.body);
    body.on("data", () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new Error("nothing came for 30 s")), 30_000);
    });
    await pipeline(body, createWriteStream(file), { signal });
  } finally {
    clearTimeout(timer);
  }
}
