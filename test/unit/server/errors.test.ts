import { describe, expect, test } from "vitest";
import { classifyFailure, type FailureKind } from "../../../server/databases/errors.ts";

function failure(code: string | null, message = "x"): Error {
  return code === null ? new Error(message) : Object.assign(new Error(message), { code });
}

describe("classifyFailure", () => {
  test.each<[string | null, string, FailureKind]>([
    ["25006", "cannot execute INSERT in a read-only transaction", "connection"],
    ["57P01", "terminating connection due to administrator command", "connection"],
    ["57P03", "the database system is starting up", "connection"],
    ["28P01", 'password authentication failed for user "application"', "connection"],
    ["08006", "connection failure", "connection"],
    ["ECONNREFUSED", "connect ECONNREFUSED", "connection"],
    [null, "Connection terminated unexpectedly", "connection"],
    [null, "Query read timeout", "connection"],
    [null, "the database connection was cut", "connection"],
    ["40001", "canceling statement due to conflict with recovery", "contention"],
    ["40P01", "deadlock detected", "contention"],
    ["42P01", 'relation "vault.resources" does not exist', "unprepared"],
    ["23505", "duplicate key value", "other"],
    [null, "something else", "other"],
  ])("%s %s → %s", (code, message, kind) => {
    expect(classifyFailure(failure(code, message))).toBe(kind);
  });

  test("should take anything", () => {
    expect(classifyFailure("text")).toBe("other");
    expect(classifyFailure(undefined)).toBe("other");
  });
});
