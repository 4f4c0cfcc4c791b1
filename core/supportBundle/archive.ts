import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import type { Redact } from "./redact.ts";

/** One file of a support bundle, and how it is made. */
export interface BundlePart {
  /** Within the bundle: `nodes/primary-server/log.txt`. */
  readonly path: string;
  readonly collect: () => Promise<string>;
}

/** What became of a part. */
export interface CollectedPart {
  readonly path: string;
  readonly bytes: number;
  /** Why there is only a file that says so; null where it was collected. */
  readonly problem: string | null;
}

export interface BundleOptions {
  /** The folder that everything lies in; also the archive's name. */
  readonly name: string;
  readonly redact: Redact;
  /** What is told of the whole in `manifest.json`, beside the list of files. */
  readonly about: Readonly<Record<string, unknown>>;
  /** Called for each part as it is done. */
  readonly progress?: (part: CollectedPart) => void;
  /** A part gets so long. @default 15 */
  readonly partSeconds?: number;
}

/** Of a longer file the end is kept. */
export const longestFile = 2 * 1024 * 1024;
const atOnce = 6;

/**
 * Collects the parts and packs them: a gzipped tar archive. What cannot be collected, or not in time, becomes a file
 * that says why, so that the rest is there all the same. Every secret is taken out before anything is packed.
 */
export async function makeBundle(parts: readonly BundlePart[], options: BundleOptions): Promise<Buffer> {
  const files = new Map<
    string,
    { readonly path: string; readonly text: string; readonly problem: string | null }
  >();
  const waiting = [...parts];
  const work = async (): Promise<void> => {
    for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
      const file = await collected(part, options);
      files.set(part.path, file);
      options.progress?.({ path: file.path, bytes: Buffer.byteLength(file.text), problem: file.problem });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));

  const inOrder = parts.flatMap(({ path }) => files.get(path) ?? []);
  const manifest = {
    ...options.about,
    files: inOrder.map(({ path, text, problem }) => ({ path, bytes: Buffer.byteLength(text), problem })),
  };
  const archive = pack();
  const add = (path: string, text: string) =>
    archive.entry({ name: `${options.name}/${path}`, mode: 0o600, mtime: new Date() }, text);
  add("manifest.json", options.redact(`${JSON.stringify(manifest, null, 2)}\n`));
  for (const { path, text } of inOrder) add(path, text);
  archive.finalize();
  const gzip = createGzip();
  // The pipeline ends once everything went into the last stream, not once everything came out.
  const [content] = await Promise.all([buffer(gzip), pipeline(archive, gzip)]);
  return content;
}

async function collected({ path, collect }: BundlePart, { redact, partSeconds = 15 }: BundleOptions) {
  try {
    return { path, text: bounded(redact(await inTime(collect(), partSeconds))), problem: null };
  } catch (error) {
    const problem = redact(error instanceof Error ? error.message || error.name : String(error));
    return { path: `${path}.failed.txt`, text: `This could not be collected: ${problem}\n`, problem };
  }
}

/** Cut only after the secrets are gone: half of one would not be found. */
function bounded(text: string): string {
  if (Buffer.byteLength(text) <= longestFile) return text;
  const kept = Buffer.from(text).subarray(-longestFile).toString("utf8");
  return `[what stood before is left out: only the last ${longestFile} bytes are kept]\n${kept.slice(kept.indexOf("\n") + 1)}`;
}

/** @throws when it takes longer; what is under way is left to itself */
export async function inTime<T>(work: Promise<T>, seconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A part that is JSON, indented for people. */
export function jsonPart(path: string, collect: () => unknown | Promise<unknown>): BundlePart {
  return { path, collect: async () => `${JSON.stringify(await collect(), null, 2)}\n` };
}

/** `support-bundle-dev-2026-11-21T10-04-20Z`. */
export function bundleName(of: string, at: Date): string {
  return `support-bundle-${of}-${at.toISOString().slice(0, 19).replaceAll(":", "-")}Z`;
}
