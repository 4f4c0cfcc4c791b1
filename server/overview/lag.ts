import { parseLsn } from "../../core/lsn.ts";

/** Where a writable database was, and when. */
interface Position {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly lsn: number;
}

/** How far a standby was behind at one moment. */
export interface Lag {
  readonly bytes: number;
  readonly seconds: number;
}

const keptMs = 15 * 60_000;

/**
 * Where the writable database has been in the last minutes, as this server saw it. Tells how far a standby is behind in
 * time without anybody's clock but this server's, also while the standby receives nothing.
 */
export class Positions {
  #all: Position[] = [];

  /** Takes note of a position. One that is lower than the last belongs to another history: the notes begin anew. */
  add(at: number, lsn: string): void {
    const value = parseLsn(lsn);
    const last = this.#all.at(-1);
    if (last !== undefined && value < last.lsn) this.#all = [];
    if (last !== undefined && at <= last.at) return;
    this.#all.push({ at, lsn: value });
    const oldest = at - keptMs;
    if ((this.#all[0]?.at ?? at) < oldest) this.#all = this.#all.filter((position) => position.at >= oldest);
  }

  clear(): void {
    this.#all = [];
  }

  /**
   * How far a standby that has replayed up to `lsn` at `at` is behind what the writable database was known to have
   * written then; null while that is not known.
   */
  lagOf(at: number, lsn: string): Lag | null {
    const replayed = parseLsn(lsn);
    const before = this.#all.filter((position) => position.at <= at);
    const latest = before.at(-1);
    if (latest === undefined) return null;
    const firstMissing = before.find((position) => position.lsn > replayed);
    return {
      bytes: Math.max(0, latest.lsn - replayed),
      seconds: firstMissing === undefined ? 0 : (at - firstMissing.at) / 1000,
    };
  }
}
