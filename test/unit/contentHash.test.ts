import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { contentHash } from "../../scripts/node/contentHash.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "pg-continuity-hash-"));
  mkdirSync(join(root, "folder"));
  writeFileSync(join(root, "folder", "a"), "content", { mode: 0o644 });
});
afterEach(() => rmSync(root, { recursive: true }));

const hash = () => contentHash(root, ["folder"]);

it("is the same for the same content, whatever the times", () => {
  const before = hash();
  utimesSync(join(root, "folder", "a"), 1, 1);
  expect(hash()).toBe(before);
});

it.each<[string, () => void]>([
  ["content", () => writeFileSync(join(root, "folder", "a"), "Content")],
  ["a name", () => writeFileSync(join(root, "folder", "b"), "")],
  ["the right to run it", () => chmodSync(join(root, "folder", "a"), 0o755)],
])("changes with %s", (_what, change) => {
  const before = hash();
  change();
  expect(hash()).not.toBe(before);
});

it("does not take the border of two files for content", () => {
  writeFileSync(join(root, "folder", "b"), "x");
  const before = hash();
  writeFileSync(join(root, "folder", "a"), "contentb");
  writeFileSync(join(root, "folder", "b"), "");
  expect(hash()).not.toBe(before);
});

it("refuses a path that does not exist", () => {
  expect(() => contentHash(root, ["folder", "missing"])).toThrow(/missing/);
});
