import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, idempotencyKeyPattern, RequestHasher } from "../../../server/writes/idempotency.ts";

const hasher = new RequestHasher(randomBytes(32));

describe("RequestHasher", () => {
  const hash = (operation: string, body: unknown) => hasher.hashes(operation, body)[0];

  test("should not depend on the order of fields", () => {
    expect(hash("POST /x", { a: 1, b: { c: 2, d: 3 } })).toEqual(
      hash("POST /x", { b: { d: 3, c: 2 }, a: 1 }),
    );
  });

  test("should depend on operation, every value and the key file", () => {
    const one = hash("POST /x", { a: "1" });
    expect(hash("POST /y", { a: "1" })).not.toEqual(one);
    expect(hash("POST /x", { a: 1 })).not.toEqual(one);
    expect(hash("POST /x", { a: "1", b: null })).not.toEqual(one);
    expect(new RequestHasher(randomBytes(32)).hashes("POST /x", { a: "1" })).not.toContainEqual(one);
    expect(one).toHaveLength(32);
  });

  test("should recognise what was recorded under an older key", () => {
    const [old, fresh] = [randomBytes(32), randomBytes(32)];
    const recorded = new RequestHasher(old).hashes("POST /x", 1)[0];
    expect(new RequestHasher(fresh, old).hashes("POST /x", 1)).toContainEqual(recorded);
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
