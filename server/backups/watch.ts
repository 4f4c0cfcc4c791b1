import { type BackupRecord, backupRecordSchema } from "../../core/backups/record.ts";
import { backupRecordQuestion } from "../../core/backups/statements.ts";
import type { ServerConfig } from "../../core/serverConfig.ts";
import type { Reader } from "../databases/reader.ts";
import type { Logger } from "../log.ts";

const refreshMs = 10_000;

export type BackupConfig = NonNullable<ServerConfig["backups"]>;

/** What the overview is made of, as far as backups go. */
export interface BackupView extends BackupConfig {
  /** Null while it is not known. */
  readonly record: BackupRecord | null;
}

/** The record of backups, asked for now and then while backups are made. */
export class BackupWatch {
  readonly #config: () => BackupConfig | undefined;
  readonly #reader: Reader;
  readonly #canRead: () => boolean;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #reading: Promise<void> | null = null;
  #record: BackupRecord | null = null;

  constructor(deps: {
    readonly config: () => BackupConfig | undefined;
    readonly reader: Reader;
    readonly canRead: () => boolean;
    readonly log: Logger;
  }) {
    this.#config = deps.config;
    this.#reader = deps.reader;
    this.#canRead = deps.canRead;
    this.#log = deps.log;
    this.#timer = setInterval(() => this.#refresh(), refreshMs);
  }

  /** Null where none are made. */
  get view(): BackupView | null {
    const config = this.#config();
    return config === undefined ? null : { ...config, record: this.#record };
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reading;
  }

  #refresh(): void {
    // What was known before they were turned off says nothing once they are turned on again.
    if (this.#config() === undefined) this.#record = null;
    else if (this.#canRead())
      this.#reading ??= this.#read().finally(() => {
        this.#reading = null;
      });
  }

  async #read(): Promise<void> {
    try {
      const { value } = await this.#reader.run((client) => client.query(backupRecordQuestion));
      this.#record = backupRecordSchema.parse(value.rows[0]?.record);
    } catch (error) {
      this.#record = null;
      this.#log.info({ err: error }, "the record of backups could not be read");
    }
  }
}
