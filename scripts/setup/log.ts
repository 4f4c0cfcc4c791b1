import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const keptLogs = 20;

/**
 * Full output of everything that setup runs. Lines stay in memory until something is about to be changed: a run that
 * only looks leaves no file.
 */
export class Log {
  readonly file: string;
  readonly #folder: string;
  readonly #early: string[] = [];
  #descriptor: number | undefined;

  constructor(folder: string, name: string, now: Date = new Date()) {
    this.#folder = folder;
    const time = now.toISOString().replaceAll(":", "-").replace(/\..*/, "");
    this.file = join(folder, `${name}-${time}-${process.pid}.log`);
  }

  write(line: string): void {
    const stamped = `${new Date().toISOString()} ${line}\n`;
    if (this.#descriptor === undefined) this.#early.push(stamped);
    else writeSync(this.#descriptor, stamped);
  }

  /** Makes the file, with what was written so far; returns its name. */
  open(): string {
    if (this.#descriptor === undefined) {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      const old = readdirSync(this.#folder).filter((name) => name.endsWith(".log"));
      for (const name of old.sort().slice(0, -keptLogs)) rmSync(join(this.#folder, name), { force: true });
      this.#descriptor = openSync(this.file, "a", 0o600);
      writeSync(this.#descriptor, this.#early.splice(0).join(""));
    }
    return this.file;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
