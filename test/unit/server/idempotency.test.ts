import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, idempotencyKeyPattern, RequestHasher } from "../../../server/writes/idempotency.ts";

const hasher = new RequestHasher(randomBytes(32));

describe("RequestHasher", () => {
  test("should not depend on the order of fields", () => {
    expect(hasher.hash("POST /x", { a: 1, b: { c: 2, d: 3 } })).toEqual(
      hasher.hash("POST /x", { b: { d: 3, c: 2 }, a: 1 }),
    );
  });

  test("should depend on operation, every value and the key file", () => {
    const hash = hasher.hash("POST /x", { a: "1" });
    expect(hasher.hash("POST /y", { a: "1" })).not.toEqual(hash);
    expect(hasher.hash("POST /x", { a: 1 })).not.toEqual(hash);
    expect(hasher.hash("POST /x", { a: "1", b: null })).not.toEqual(hash);
    expect(new RequestHasher(randomBytes(32)).hash("POST /x", { a: "1" })).not.toEqual(hash);
    expect(hash).toHaveLength(32);
  });
});

describe("canonicalJson", () => {
  test("should keep the meaning of any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

test.each<[string, boolean]>([
  ["a", true],
  ["3f6c8b1e-0b8d-4d3c-9a41-0f6b5f0a6a10", true],
  ["a".repeat(200), true],
  ["a".repeat(201), false],
  ["", false],
  ["a b", false],
  ["ä", false],
])("idempotency key %j is accepted: %s", (key, accepted) => {
  expect(idempotencyKeyPattern.test(key)).toBe(accepted);
});
