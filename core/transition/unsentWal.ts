/** The size of a WAL segment and of a page in it, in bytes: what every database of the project is made with. */
export const segmentBytes = 16 * 1024 * 1024;
export const pageBytes = 8192;

/** The name of the WAL segment of a timeline that holds a position (in bytes), as PostgreSQL names its file. */
export function segmentName(timeline: number, position: number): string {
  const hex = (number: number) => number.toString(16).toUpperCase().padStart(8, "0");
  const segment = Math.floor(position / segmentBytes);
  const perLog = 2 ** 32 / segmentBytes;
  return `${hex(timeline)}${hex(Math.floor(segment / perLog))}${hex(segment % perLog)}`;
}

/** The beginning of the page that holds a position, both in bytes. */
export function pageOf(position: number): number {
  return position - (position % pageBytes);
}

/**
 * The pages of a WAL segment from a position on that were really written. What follows them is empty, or was left by an
 * earlier use of the file: such a page bears another address. Whether the records in the pages are whole is PostgreSQL's to
 * see when it replays them; it stops at the first that is not.
 *
 * @param segment the file's content
 * @param from position of a page within the segment, in bytes of the whole WAL
 * @throws Error when the segment has another size than it must have
 */
export function writtenPages(segment: Buffer, from: number): Buffer {
  if (segment.length !== segmentBytes)
    throw new Error(`a WAL segment has ${segment.length} bytes instead of ${segmentBytes}`);
  const begin = from % segmentBytes;
  let end = begin;
  while (end < segmentBytes && isPage(segment, end, from - begin + end)) end += pageBytes;
  return segment.subarray(begin, end);
}

/** XLogPageHeaderData: 2 bytes magic number, 2 of flags, 4 of timeline, then the address; in the machine's byte order. */
function isPage(segment: Buffer, offset: number, address: number): boolean {
  return segment.readUInt16LE(offset) !== 0 && segment.readBigUInt64LE(offset + 8) === BigInt(address);
}
