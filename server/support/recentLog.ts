import type { DestinationStream } from "pino";

/** So much of the log is kept in memory. */
const keptBytes = 512 * 1024;

/** Passes a log on, and keeps its last lines for a support bundle. */
export class RecentLog implements DestinationStream {
  readonly #to: DestinationStream;
  #lines: string[] = [];
  #bytes = 0;

  constructor(to: DestinationStream) {
    this.#to = to;
  }

  write(line: string): void {
    this.#to.write(line);
    this.#lines.push(line);
    this.#bytes += line.length;
    if (this.#bytes > 2 * keptBytes) this.#forget();
  }

  get text(): string {
    if (this.#bytes > keptBytes) this.#forget();
    return this.#lines.join("");
  }

  /** Lines go in bulk: one at a time each would move all the others. */
  #forget(): void {
    let surplus = this.#bytes - keptBytes;
    let count = 0;
    while (surplus > 0) surplus -= this.#lines[count++]?.length ?? surplus;
    this.#bytes = keptBytes + surplus;
    this.#lines = this.#lines.slice(count);
  }
}
