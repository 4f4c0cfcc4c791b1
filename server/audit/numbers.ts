import { open, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";

const block = 5000;
const fileSchema = z.strictObject({ version: z.literal(1), reserved: z.number().int().min(0) });

/**
 * The numbers of this server's events, each given once, also across crashes: a block of them is reserved on disk before
 * the first one is used. What a crash leaves of a block is never used.
 */
export class SequenceNumbers {
  readonly #path: string;
  #next: number;
  #reserved: number;
  #reserving: Promise<void> | null = null;

  private constructor(path: string, reserved: number) {
    this.#path = path;
    this.#next = reserved + 1;
    this.#reserved = reserved;
  }

  /** @param directory has to be there. @throws when the file is there but cannot be understood. */
  static async open(directory: string): Promise<SequenceNumbers> {
    const path = join(directory, "audit-sequence.json");
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") {
        return new SequenceNumbers(path, 0);
      }
      throw error;
    }
    try {
      return new SequenceNumbers(path, fileSchema.parse(JSON.parse(text)).reserved);
    } catch (error) {
      throw new Error(
        `${path}: the memory of audit numbers cannot be understood. Remove the file; numbers then go on after the highest in the database.`,
        { cause: error },
      );
    }
  }

  /** No number up to this one is given any more: somebody has seen it in use. */
  skip(used: number): void {
    if (used >= this.#next) {
      this.#next = used + 1;
      this.#reserved = Math.max(this.#reserved, used);
    }
  }

  /** The next number. Waits for the disk only when a block is used up faster than the next one is reserved. */
  async take(): Promise<number> {
    while (this.#next > this.#reserved) await this.#reserve();
    const number = this.#next++;
    // A failure shows when the block is used up; until then there is nobody to tell.
    if (this.#reserved - this.#next < block / 2) this.#reserve().catch(() => undefined);
    return number;
  }

  /** Gives back what is left of the block: for an orderly end. */
  async release(): Promise<void> {
    await this.#reserving;
    await this.#write(this.#next - 1);
    this.#reserved = this.#next - 1;
  }

  #reserve(): Promise<void> {
    this.#reserving ??= this.#write(this.#reserved + block)
      .then(() => {
        this.#reserved += block;
      })
      .finally(() => {
        this.#reserving = null;
      });
    return this.#reserving;
  }

  async #write(reserved: number): Promise<void> {
    const temporary = `${this.#path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ version: 1, reserved })}\n`);
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
  }
}
