import type { ServerName } from "../core/vocabulary.ts";
import type { SequenceNumbers } from "./audit/numbers.ts";
import { listStarts } from "./audit/store.ts";
import type { AuditTrail } from "./audit/trail.ts";
import type { Reader } from "./databases/reader.ts";
import type { Logger } from "./log.ts";
import { version } from "./version.ts";

export interface LifeEventsDeps {
  readonly server: ServerName;
  readonly trail: AuditTrail;
  readonly numbers: SequenceNumbers;
  readonly reader: Reader;
  readonly keyFingerprint: () => string;
  readonly log: Logger;
}

/** The audit of the server itself: that it has started, and that it stops. */
export class LifeEvents {
  readonly #deps: LifeEventsDeps;
  #hasStarted = false;

  constructor(deps: LifeEventsDeps) {
    this.#deps = deps;
  }

  /** Events begin once the numbers that are in use are known. */
  async prepared(highestSequence: number): Promise<void> {
    const { server, numbers, reader, log } = this.#deps;
    numbers.skip(highestSequence);
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    const keyFingerprint = this.#deps.keyFingerprint();
    await this.#record("server.start", { version, node: process.version, keyFingerprint });
    const others = (await reader.run(listStarts)).value.filter((other) => other.server !== server);
    // Allowed while an upgrade or another key is brought to one server after the other, and worth knowing.
    for (const other of others) {
      if (other.version !== version || other.keyFingerprint !== keyFingerprint) {
        log.warn({ version, keyFingerprint, other }, "another server has another version or key");
      }
    }
  }

  async stopping(): Promise<void> {
    if (this.#hasStarted) await this.#record("server.stop", { version });
  }

  async #record(operation: string, details: Readonly<Record<string, unknown>>): Promise<void> {
    const { server, trail, log } = this.#deps;
    const actor = `server ${server}`;
    try {
      await trail.add({ kind: "task", operation, actor, actorId: null, address: null, details }, "success");
    } catch (error) {
      log.error({ err: error, operation }, "an audit event could not be recorded");
    }
  }
}
