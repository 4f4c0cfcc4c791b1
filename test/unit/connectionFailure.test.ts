import { describe, expect, test } from "vitest";
import { isConnectionFailure } from "../../core/connectionFailure.ts";

describe("isConnectionFailure", () => {
  test.each<[string | null, string, boolean]>([
    ["ECONNRESET", "read ECONNRESET", true],
    ["ETIMEDOUT", "connect ETIMEDOUT", true],
    ["57P01", "terminating connection due to administrator command", true],
    ["08006", "connection failure", true],
    [null, "Connection terminated unexpectedly", true],
    [null, "timeout expired", true],
    [null, "Query read timeout", true],
    ["57014", "canceling statement due to statement timeout", false],
    ["28P01", "password authentication failed", false],
    [null, "something else", false],
  ])("%s %s → %s", (code, message, expected) => {
    expect(isConnectionFailure(Object.assign(new Error(message), code === null ? {} : { code }))).toBe(
      expected,
    );
  });

  test("should take anything", () => {
    expect(isConnectionFailure("text")).toBe(false);
    expect(isConnectionFailure(undefined)).toBe(false);
  });
});
