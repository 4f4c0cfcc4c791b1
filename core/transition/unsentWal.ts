/** The size of a page of WAL in bytes: PostgreSQL is built with it. That of a segment each database is made with. */
export const pageBytes = 8192;
const pageHeaderBytes = 24;

/** XLogRecord: 4 bytes of length, 4 of transaction, 8 of the record before, 1 of flags, 1 of kind, 2 unused, 4 of checksum. */
const recordHeaderBytes = 24;

/** The name of the WAL segment of a timeline that holds a position (in bytes), as PostgreSQL names its file. */
export function segmentName(timeline: number, position: number, segmentBytes: number): string {
  const hex = (number: number) => number.toString(16).toUpperCase().padStart(8, "0");
  const segment = Math.floor(position / segmentBytes);
  const perLog = 2 ** 32 / segmentBytes;
  return `${hex(timeline)}${hex(Math.floor(segment / perLog))}${hex(segment % perLog)}`;
}

/** The name of the file in which a database that knows a timeline keeps where that came from. */
export function historyName(timeline: number): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, "0")}.history`;
}

/** Whether pages hold anything after an offset in the first of them, in bytes. Beyond the last record a page is empty. */
export function goOnAfter(pages: Buffer, offset: number): boolean {
  // At the beginning of a page is its header, also where no record follows.
  const begin = offset === 0 ? pageHeaderBytes : offset;
  return pages.length > pageBytes || pages.subarray(begin).some((byte) => byte !== 0);
}

/** The beginning of the page that holds a position, both in bytes. */
export function pageOf(position: number): number {
  return position - (position % pageBytes);
}

/**
 * Takes a WAL segment piece by piece, and keeps its pages from a position on that were really written. What follows them is
 * empty, or was left by an earlier use of the file: such a page bears another address. Whether the records in the pages are
 * whole is PostgreSQL's to see when it replays them; it stops at the first that is not.
 */
export class WrittenPages {
  readonly #from: number;
  readonly #segmentBytes: number;
  readonly #begin: number;
  readonly #pages: Buffer[] = [];
  /** The begin of a page of which more is to come. */
  #rest = Buffer.alloc(0);
  #taken = 0;
  #written = 0;
  #isOver = false;

  /** @param from position of a page, in bytes of the whole WAL */
  constructor(from: number, segmentBytes: number) {
    this.#from = from;
    this.#segmentBytes = segmentBytes;
    this.#begin = from % segmentBytes;
  }

  /** Takes the next bytes of the file. False where more need not be read. */
  add(bytes: Uint8Array): boolean {
    const skipped = Math.min(bytes.length, Math.max(0, this.#begin - this.#taken));
    this.#taken += bytes.length;
    // Only what is kept gets memory: room for a whole segment costs more time than to read one.
    const ahead = Buffer.concat([this.#rest, bytes.subarray(skipped)]);
    let offset = 0;
    while (!this.#isOver && offset + pageBytes <= ahead.length)
      if (isPage(ahead, offset, this.#from + this.#written + offset)) offset += pageBytes;
      else this.#isOver = true;
    this.#pages.push(ahead.subarray(0, offset));
    this.#rest = ahead.subarray(offset);
    this.#written += offset;
    return !this.#isOver;
  }

  /**
   * The pages, one after another.
   *
   * @throws Error when the file has ended before it should
   */
  pages(): Buffer {
    if (!this.#isOver && this.#taken !== this.#segmentBytes)
      throw new Error(`it has ${this.#taken} bytes instead of ${this.#segmentBytes}`);
    return Buffer.concat(this.#pages);
  }
}

/** XLogPageHeaderData: 2 bytes magic number, 2 of flags, 4 of timeline, then the address; in the machine's byte order. */
function isPage(segment: Buffer, offset: number, address: number): boolean {
  return segment.readUInt16LE(offset) !== 0 && segment.readBigUInt64LE(offset + 8) === BigInt(address);
}

/**
 * Whether the last of the written pages of a segment may end with the record of a switch to the next segment: what follows
 * that one in its own is empty, and the WAL goes on. Sometimes true without one, for who looks then finds nothing more.
 */
export function mayEndWithSwitch(page: Buffer): boolean {
  const remaining = page.readUInt32LE(16);
  // Its header may begin on the page before.
  if (remaining > 0 && remaining < recordHeaderBytes) return true;
  let last = page.length - 1;
  while (last >= 0 && page[last] === 0) last--;
  // Records begin at multiples of 8. The checksum at the end may have zeros in it.
  for (
    let begin = last - (last % 8);
    begin >= pageHeaderBytes && begin + recordHeaderBytes > last;
    begin -= 8
  )
    if (begin + recordHeaderBytes <= page.length && isSwitch(page, begin)) return true;
  return false;
}

/** Kind 0 is XLOG, 0x40 its XLOG_SWITCH, a record of nothing but its header. */
function isSwitch(page: Buffer, begin: number): boolean {
  const flags = page.readUInt8(begin + 16);
  const kind = page.readUInt8(begin + 17);
  return page.readUInt32LE(begin) === recordHeaderBytes && kind === 0 && (flags & 0xf0) === 0x40;
}
