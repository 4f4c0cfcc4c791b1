import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Logger } from "../log.ts";

const fileSchema = z.strictObject({
  version: z.literal(1),
  /** The system that was seen last. */
  currentSystem: z.string().nullable(),
  systems: z.record(
    z.string(),
    z.strictObject({ highestTimeline: z.number().int().positive(), seenAt: z.string() }),
  ),
});
type WitnessFile = z.infer<typeof fileSchema>;

/**
 * Remembers the highest timeline ever seen of each database system, on the server's own disk, so
 * that an old primary that comes back is recognised even when the new one is not there to ask.
 */
export class Witness {
  readonly #path: string;
  readonly #log: Logger;
  #memory: WitnessFile;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, log: Logger, memory: WitnessFile) {
    this.#path = path;
    this.#log = log;
    this.#memory = memory;
  }

  /**
   * Opens the memory in `stateDirectory` (created if it is not there).
   *
   * @throws when the file is there but cannot be read or understood: to forget silently would be to
   * trust an old primary again. The message says what a person must do.
   */
  static async open(stateDirectory: string, log: Logger): Promise<Witness> {
    await mkdir(stateDirectory, { recursive: true });
    const path = join(stateDirectory, "witness.json");
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") {
        return new Witness(path, log, { version: 1, currentSystem: null, systems: {} });
      }
      throw error;
    }
    try {
      return new Witness(path, log, fileSchema.parse(JSON.parse(text)));
    } catch (error) {
      throw new Error(
        `${path}: the memory of timelines cannot be understood. Make sure which database is the right one, then remove the file.`,
        { cause: error },
      );
    }
  }

  /** The system that was seen last, or null. */
  get systemId(): string | null {
    return this.#memory.currentSystem;
  }

  /** The highest timeline seen, by system identifier. */
  get highest(): ReadonlyMap<string, number> {
    return new Map(Object.entries(this.#memory.systems).map(([id, system]) => [id, system.highestTimeline]));
  }

  /** The highest timeline seen of one system, or null. */
  highestTimeline(systemId: string | null): number | null {
    return systemId === null ? null : (this.#memory.systems[systemId]?.highestTimeline ?? null);
  }

  /**
   * Takes note of a timeline. Resolves once it is on disk (at once when it is nothing new). A disk
   * that cannot be written is reported in the log; the note then lives in memory only.
   */
  observe(systemId: string, timeline: number): Promise<void> {
    const known = this.#memory.systems[systemId]?.highestTimeline ?? 0;
    if (timeline <= known && this.#memory.currentSystem === systemId) return this.#writing;
    this.#memory = {
      version: 1,
      currentSystem: systemId,
      systems: {
        ...this.#memory.systems,
        ...(timeline > known
          ? { [systemId]: { highestTimeline: timeline, seenAt: new Date().toISOString() } }
          : {}),
      },
    };
    if (timeline > known) this.#log.info({ systemId, timeline }, "highest timeline seen");
    this.#writing = this.#writing.then(() => this.#save());
    return this.#writing;
  }

  async #save(): Promise<void> {
    const temporary = `${this.#path}.new`;
    try {
      const file = await open(temporary, "w", 0o600);
      try {
        await file.writeFile(`${JSON.stringify(this.#memory)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
      const directory = await open(dirname(this.#path), "r");
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    } catch (error) {
      this.#log.error(
        { err: error },
        "the memory of timelines could not be written; it is kept in memory only",
      );
    }
  }
}
