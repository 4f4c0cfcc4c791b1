import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lsnBefore, lsnDistance, parseLsn, renderLsn } from "../../core/lsn.ts";

const format = (value: bigint) => `${(value >> 32n).toString(16)}/${(value & 0xffffffffn).toString(16)}`;
const positions = fc.bigInt({ min: 0n, max: BigInt(Number.MAX_SAFE_INTEGER) });

describe("WAL positions", () => {
  it.each([
    ["0/0", 0],
    ["0/3000060", 0x3000060],
    ["1/0", 2 ** 32],
    ["16/B374D848", 0x16 * 2 ** 32 + 0xb374d848],
  ])("%s", (text, value) => expect(parseLsn(text)).toBe(value));

  it.each(["", "0", "/", "0/", "/0", "g/0", "0/123456789", " 0/0", "0/0\n", "0/0/0"])("%j is none", (text) =>
    expect(() => parseLsn(text)).toThrow(/is no WAL position/));

  it("one before another is a byte less, and none is before the first", () => {
    expect(lsnBefore("1/0")).toBe("0/FFFFFFFF");
    fc.assert(
      fc.property(positions, (value) => {
        expect(parseLsn(lsnBefore(format(value)))).toBe(Math.max(0, Number(value) - 1));
      }),
    );
  });

  it("are read as they were written, in either case", () => {
    fc.assert(
      fc.property(positions, (value) => {
        expect(parseLsn(format(value))).toBe(Number(value));
        expect(parseLsn(format(value).toUpperCase())).toBe(Number(value));
        expect(renderLsn(Number(value))).toBe(format(value).toUpperCase());
      }),
    );
  });

  it("are apart by the bytes between them, never by fewer than none", () => {
    fc.assert(
      fc.property(positions, positions, (a, b) => {
        expect(lsnDistance(format(a), format(b))).toBe(a > b ? Number(a - b) : 0);
      }),
    );
  });
});
