import { type FileHandle, mkdir, open, readdir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../log.ts";
import { type AuditEvent, auditEventSchema } from "./event.ts";

/** The spool cannot take an event: full, or the disk refuses. */
export class SpoolUnavailable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "SpoolUnavailable";
  }
}

/** A file that is longer is closed: each is read into memory as a whole. */
const segmentBytes = 4 * 1024 * 1024;

/**
 * Events on the server's own disk, until they are in the database. One JSON object a line, in files that are deleted
 * once everything in them has been forwarded. What `append` has resolved for survives a crash.
 */
export class AuditSpool {
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #log: Logger;
  /** Closed files with events, oldest first, and their sizes. */
  readonly #segments: { readonly path: string; readonly bytes: number }[] = [];
  #current: { readonly path: string; readonly file: FileHandle; bytes: number } | null = null;
  #number = 0;
  /** Of what writes and closes one comes after the other: a file that is being written is not closed and read. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, maxBytes: number, log: Logger) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
    this.#log = log;
  }

  /** Opens the spool in `directory` (created if it is not there), with what an earlier run has left in it. */
  static async open(directory: string, maxBytes: number, log: Logger): Promise<AuditSpool> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const spool = new AuditSpool(directory, maxBytes, log);
    for (const name of (await readdir(directory))
      .filter((file) => /^spool-\d{12}\.jsonl$/.test(file))
      .sort()) {
      const path = join(directory, name);
      spool.#segments.push({ path, bytes: (await stat(path)).size });
      spool.#number = Number(name.slice(6, 18));
    }
    return spool;
  }

  /** Bytes on disk that wait to be forwarded. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, this.#current?.bytes ?? 0);
  }

  get isEmpty(): boolean {
    return this.bytes === 0;
  }

  /**
   * Appends events; they are on disk when it resolves.
   *
   * @throws SpoolUnavailable
   */
  append(events: readonly AuditEvent[]): Promise<void> {
    return this.#inTurn(() => this.#append(events));
  }

  async #append(events: readonly AuditEvent[]): Promise<void> {
    const text = events.map((event) => `${JSON.stringify(event)}\n`).join("");
    const bytes = Buffer.byteLength(text);
    if (this.bytes + bytes > this.#maxBytes) {
      throw new SpoolUnavailable(`the audit spool is full: ${this.bytes} of ${this.#maxBytes} bytes`);
    }
    try {
      if (this.#current !== null && this.#current.bytes >= segmentBytes) await this.#close();
      this.#current ??= await this.#create();
      await this.#current.file.appendFile(text);
      this.#current.bytes += bytes;
      await this.#current.file.datasync();
    } catch (error) {
      // What is half written is cut off when it is read; what comes next goes into another file.
      await this.#close().catch((cause: unknown) =>
        this.#log.error({ err: cause }, "a file of the audit spool could not be closed"),
      );
      throw new SpoolUnavailable("the audit spool cannot be written", error);
    }
  }

  /** The oldest file's events, and a function that deletes it; null if there is none. Never the same file twice at once. */
  async oldest(): Promise<{
    readonly events: readonly AuditEvent[];
    readonly remove: () => Promise<void>;
  } | null> {
    if (this.#segments.length === 0) await this.close();
    const [segment] = this.#segments;
    if (segment === undefined) return null;
    const lines = (await readFile(segment.path, "utf8")).split("\n");
    // A crash can leave half a line at the end: nobody was told that it was kept.
    const torn = lines.pop();
    if (torn !== "")
      this.#log.warn({ path: segment.path }, "half an event at the end of the spool: left out");
    return {
      events: lines.flatMap((line) => this.#parse(segment.path, line)),
      remove: async () => {
        await unlink(segment.path);
        this.#segments.shift();
      },
    };
  }

  /** The highest number of a spooled event, 0 without any. */
  async highest(): Promise<number> {
    let highest = 0;
    for (const { path } of this.#segments) {
      for (const line of (await readFile(path, "utf8")).split("\n").slice(0, -1)) {
        for (const { sequence } of this.#parse(path, line)) highest = Math.max(highest, sequence);
      }
    }
    return highest;
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#close());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    // Whoever asked for it is told of its failure.
    this.#last = result.catch(() => undefined);
    return result;
  }

  #parse(path: string, line: string): AuditEvent[] {
    try {
      return [auditEventSchema.parse(JSON.parse(line))];
    } catch (error) {
      // After a disk that was full, half a line may stand between others; anything else a person should see.
      this.#log.error({ err: error, path }, "a line of the audit spool is no event: left out");
      return [];
    }
  }

  async #create(): Promise<{ path: string; file: FileHandle; bytes: number }> {
    this.#number += 1;
    const path = join(this.#directory, `spool-${String(this.#number).padStart(12, "0")}.jsonl`);
    const file = await open(path, "ax", 0o600);
    try {
      const directory = await open(this.#directory, "r");
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    return { path, file, bytes: 0 };
  }

  async #close(): Promise<void> {
    const current = this.#current;
    if (current === null) return;
    this.#current = null;
    try {
      this.#segments.push({ path: current.path, bytes: (await stat(current.path)).size });
    } finally {
      await current.file.close();
    }
  }
}
