import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  goOnAfter,
  historyName,
  mayEndWithSwitch,
  pageBytes,
  pageOf,
  segmentName,
  WrittenPages,
} from "../../../core/transition/unsentWal.ts";

const segmentBytes = 4 * 1024 * 1024;
const pagesPerSegment = segmentBytes / pageBytes;

/** A segment whose first pages are written, and the rest left by an earlier use of the file: 10 segments before. */
function segment(start: number, written: number): Buffer {
  const content = Buffer.alloc(segmentBytes);
  for (let page = 0; page < pagesPerSegment; page++) {
    const offset = page * pageBytes;
    content.writeUInt16LE(0xd116, offset);
    content.writeBigUInt64LE(BigInt(start + offset - (page < written ? 0 : 10 * segmentBytes)), offset + 8);
    content.writeUInt32BE(page, offset + 100);
  }
  return content;
}

describe("a WAL segment's name", () => {
  it.each([
    [1, 0x3000060, 16, "000000010000000000000003"],
    [1, 0x3000060, 4, "00000001000000000000000C"],
    [0x1a, 2 ** 32 - 1, 16, "0000001A00000000000000FF"],
    [0x1a, 2 ** 32 - 1, 4, "0000001A00000000000003FF"],
    [2, 2 ** 32, 16, "000000020000000100000000"],
    [2, 2 ** 32, 4, "000000020000000100000000"],
    [2, 0x16 * 2 ** 32 + 0xb374d848, 16, "0000000200000016000000B3"],
  ])("on timeline %d at %d, with segments of %d MB, is %s", (timeline, position, megabytes, name) =>
    expect(segmentName(timeline, position, megabytes * 1024 * 1024)).toBe(name));
});

describe("the written pages of a segment", () => {
  /** What is kept of a segment that comes in pieces of one size. */
  function read(content: Buffer, from: number, piece: number): Buffer {
    const written = new WrittenPages(from, segmentBytes);
    for (let at = 0; at < content.length; at += piece)
      if (!written.add(content.subarray(at, at + piece))) break;
    return written.pages();
  }

  it("are those from a position on up to the first that is not written, however they come", () => {
    const pages = fc.integer({ min: 0, max: pagesPerSegment });
    const numbers = fc.integer({ min: 10, max: 2 ** 20 });
    const places = fc.integer({ min: 0, max: segmentBytes - 1 });
    const pieces = fc.integer({ min: 1000, max: segmentBytes });
    fc.assert(
      fc.property(numbers, pages, places, pieces, (number, written, at, piece) => {
        const start = number * segmentBytes;
        const from = pageOf(start + at);
        const found = read(segment(start, written), from, piece);
        expect(found.length).toBe(Math.max(0, written * pageBytes - (from - start)));
        if (found.length > 0) expect(found.readUInt32BE(100)).toBe((from - start) / pageBytes);
      }),
      { numRuns: 30 },
    );
  });

  it("are none of an empty file", () =>
    expect(read(Buffer.alloc(segmentBytes), 3 * segmentBytes, 65536).length).toBe(0));

  it("cannot be told of a file that is cut off", () =>
    expect(() =>
      read(segment(20 * segmentBytes, 3).subarray(0, 3 * pageBytes), 20 * segmentBytes, 1000),
    ).toThrow("it has 24576 bytes instead of 4194304"));
});

describe("the last page may end with a switch to the next segment", () => {
  /** A page with a record at an offset: its length, kind, flags and checksum. */
  function page(
    begin: number,
    record: { length?: number; kind?: number; flags?: number; checksum?: number },
  ) {
    const content = Buffer.alloc(pageBytes);
    content.fill(0xab, 24, begin);
    content.writeUInt32LE(record.length ?? 24, begin);
    content.writeUInt8(record.flags ?? 0x40, begin + 16);
    content.writeUInt8(record.kind ?? 0, begin + 17);
    content.writeUInt32LE(record.checksum ?? 0x12345678, begin + 20);
    return content;
  }

  it.each([
    ["at the beginning", page(24, {}), true],
    ["in the middle", page(4000, {}), true],
    ["at the end", page(pageBytes - 24, {}), true],
    ["with zeros in its checksum", page(4000, { checksum: 0x12 }), true],
    ["with a checksum of zeros only", page(4000, { checksum: 0 }), true],
    ["not a longer record", page(4000, { length: 30 }), false],
    ["not one of another kind", page(4000, { kind: 10 }), false],
    ["not another one of its kind", page(4000, { flags: 0x10 }), false],
    ["not an empty page", Buffer.alloc(pageBytes), false],
  ])("%s", (_what, content, may) => expect(mayEndWithSwitch(content)).toBe(may));

  it("that began on the page before", () => {
    const content = Buffer.alloc(pageBytes);
    content.writeUInt32LE(8, 16);
    content.fill(0xab, 24, 32);
    expect(mayEndWithSwitch(content)).toBe(true);
  });
});

it("a history is in a file of the timeline's name", () => expect(historyName(0x1a)).toBe("0000001A.history"));

describe("pages go on after an offset in the first of them", () => {
  const page = Buffer.alloc(pageBytes);
  page.fill(0xab, 0, 4000);
  const justBegun = Buffer.alloc(pageBytes);
  justBegun.fill(0xab, 0, 24);
  it.each([
    ["before the last byte", page, 3999, true],
    ["not after it", page, 4000, false],
    ["in further pages", Buffer.concat([page, page]), 4000, true],
    ["not in a page with nothing but its header", justBegun, 0, false],
    ["not in none", Buffer.alloc(0), 100, false],
  ])("%s", (_what, pages, offset, more) => expect(goOnAfter(pages, offset)).toBe(more));
});
