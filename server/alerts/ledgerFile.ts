import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { emptyLedger, type Ledger, ledgerSchema } from "../../core/alerts/ledger.ts";
import type { Logger } from "../log.ts";

/** What was sent, on the server's own disk: it is known also after a restart without any database. */
export class LedgerFile {
  readonly #path: string;
  readonly #log: Logger;
  #written = "";
  #writing: Promise<void> = Promise.resolve();

  constructor(stateDirectory: string, log: Logger) {
    this.#path = join(stateDirectory, "alerts.json");
    this.#log = log;
  }

  /** What is on the disk. What cannot be understood is said and left out: something may be told twice then. */
  async read(): Promise<Ledger> {
    try {
      return ledgerSchema.parse(JSON.parse(await readFile(this.#path, "utf8")));
    } catch (error) {
      const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
      if (!isMissing) this.#log.error({ err: error }, "alerts: what was sent before is not known");
      return emptyLedger;
    }
  }

  /** Resolves once it is on disk, at once where it is there already. */
  write(ledger: Ledger): Promise<void> {
    const text = `${JSON.stringify(ledger)}\n`;
    if (text !== this.#written) {
      this.#written = text;
      this.#writing = this.#writing.then(() => this.#replace(text));
    }
    return this.#writing;
  }

  async #replace(text: string): Promise<void> {
    const temporary = `${this.#path}.new`;
    try {
      const file = await open(temporary, "w", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (error) {
      this.#written = "";
      this.#log.error(
        { err: error },
        "alerts: what was sent could not be written; it is kept in memory only",
      );
    }
  }
}
