import { posix } from "node:path";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { extract, pack } from "tar-stream";

/** The user that every container of the project runs as. */
const nodeUser = { uid: 999, gid: 999 };

/** How often a file is read that is replaced by another one while the engine reads it. */
const readAttempts = 6;

/** What a command inside a container gave. */
export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command inside a running container, without a shell.
 *
 * @throws Error when the container does not exist or does not run (Docker's own message)
 */
export async function execute(container: Docker.Container, command: readonly string[]): Promise<ExecResult> {
  const exec = await container.exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const out = new PassThrough();
  const err = new PassThrough();
  container.modem.demuxStream(stream, out, err);
  const stdout = collect(out);
  const stderr = collect(err);
  await new Promise<void>((resolve, reject) => {
    stream.on("end", resolve);
    stream.on("error", reject);
  });
  out.end();
  err.end();
  const { ExitCode } = await exec.inspect();
  return { exitCode: ExitCode ?? -1, stdout: await stdout, stderr: await stderr };
}

/**
 * Sends a signal to a container's main process, from inside. The engine's own `kill` would do it too, but with any
 * signal it counts as a person's stop (seen with 20.10): the next crash would not be followed by a restart.
 */
export async function signalMain(
  container: Docker.Container,
  signal: "HUP" | "USR1" | "USR2",
): Promise<void> {
  const { exitCode, stderr } = await execute(container, ["sh", "-c", 'kill -s "$1" 1', "sh", signal]);
  if (exitCode !== 0) throw new Error(`${signal} could not be sent: ${stderr.trim()}`);
}

/** A file to be put into a container; `folder: true` makes an empty folder. */
export interface PutEntry {
  readonly path: string;
  readonly content?: string;
  readonly mode?: number;
}

/**
 * Puts files and folders into a container, running or stopped, below a folder that exists there. Everything belongs
 * to the node's user, unless another is given; files are 0600 and folders 0700 unless said otherwise.
 */
export async function putFiles(
  container: Docker.Container,
  folder: string,
  entries: readonly PutEntry[],
  owner = nodeUser,
): Promise<void> {
  const archive = pack();
  for (const { path, content, mode } of entries) {
    if (content === undefined)
      archive.entry({ name: path, type: "directory", mode: mode ?? 0o700, ...owner, mtime: new Date() });
    else archive.entry({ name: path, mode: mode ?? 0o600, ...owner, mtime: new Date() }, content);
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  await container.putArchive(Buffer.concat(chunks), { path: folder });
}

/**
 * Reads one text file of a container, running or stopped. Returns undefined where there is no such file. One that is
 * replaced while the engine reads it is read again.
 *
 * @throws Error when the engine cannot be asked, or the file was never read whole
 */
export async function readContainerFile(
  container: Docker.Container,
  path: string,
): Promise<string | undefined> {
  const files = await readWhole(container, path, () => true);
  return files.values().next().value;
}

/**
 * Reads one file of a container, running or stopped, as it is, and gives it away piece by piece for as long as `take` returns
 * true. Whether there is such a file.
 *
 * @throws Error when the engine cannot be asked, or the answer breaks off
 */
export async function readContainerBytes(
  container: Docker.Container,
  path: string,
  take: (bytes: Uint8Array) => boolean,
): Promise<boolean> {
  let answer: NodeJS.ReadableStream;
  try {
    answer = await container.getArchive({ path });
  } catch (error) {
    if (isStatus(error, 404)) return false;
    throw error;
  }
  const reader = extract();
  // An answer that breaks off is an error of the reader then. One that nobody wants to the end breaks off, too.
  const piped = pipeline(answer, reader).catch(() => undefined);
  try {
    for await (const entry of reader)
      for await (const bytes of entry) if (!take(bytes as Uint8Array)) return true;
  } finally {
    reader.destroy();
    await piped;
  }
  return true;
}

/**
 * Reads text files of one folder of a container, running or stopped, at once: each question of this kind takes the
 * engine tens of milliseconds, and it answers them one after another. Files that are not there are left out. For the
 * rest as `readContainerFile`.
 */
export async function readContainerFolder(
  container: Docker.Container,
  folder: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const base = posix.basename(folder);
  const found = await readWhole(container, folder, (path) =>
    names.some((name) => posix.normalize(path) === `${base}/${name}`),
  );
  return new Map([...found].map(([path, content]) => [posix.basename(path), content]));
}

/**
 * The wanted files below a path, none of them torn. The engine looks at a file's size first and opens it then: one that
 * is replaced in between is cut to the old one's length, or the archive breaks off (seen with 20.10). Whole is what ends
 * with a line's end, as all do that a node writes, or what is the same time after time.
 */
async function readWhole(
  container: Docker.Container,
  path: string,
  isWanted: (path: string) => boolean,
): Promise<ReadonlyMap<string, string>> {
  let before = "";
  let same = 0;
  for (let attempt = 1; attempt <= readAttempts; attempt++) {
    const files = await readArchive(container, path, isWanted);
    if (!files) continue;
    const texts = [...files.values()];
    if (texts.every((text) => text === "" || text.endsWith("\n"))) return files;
    const now = JSON.stringify(texts);
    same = now === before ? same + 1 : 0;
    if (same === 2) return files;
    before = now;
  }
  throw new Error(`${path} could not be read whole in ${readAttempts} attempts: it changes all the time`);
}

/** The wanted files below a path, by their names in the archive; undefined where the archive breaks off. */
async function readArchive(
  container: Docker.Container,
  path: string,
  isWanted: (path: string) => boolean,
): Promise<ReadonlyMap<string, string> | undefined> {
  const files = new Map<string, string>();
  let archive: Buffer;
  try {
    archive = await collectBytes(await container.getArchive({ path }));
  } catch (error) {
    if (isStatus(error, 404)) return files;
    throw error;
  }
  // Whole before it is unpacked: an answer that breaks off is an error then, and not an archive without end.
  const reader = extract();
  reader.end(archive);
  try {
    for await (const entry of reader) {
      const { name, type } = entry.header;
      if (type === "file" && isWanted(name)) files.set(name, await collect(entry));
      else entry.resume();
    }
  } catch (error) {
    if (error instanceof Error && error.message === "Unexpected end of data") return undefined;
    throw error;
  }
  return files;
}

/** Whether an error is Docker's answer with this HTTP status. */
export function isStatus(error: unknown, status: number): boolean {
  return typeof error === "object" && error !== null && "statusCode" in error && error.statusCode === status;
}

async function collect(stream: AsyncIterable<unknown>): Promise<string> {
  return (await collectBytes(stream)).toString("utf8");
}

async function collectBytes(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
