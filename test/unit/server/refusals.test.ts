import { beforeEach, describe, expect, test } from "vitest";
import { Refusals } from "../../../server/databases/refusals.ts";
import { createLogger } from "../../../server/log.ts";

describe("a password that is refused", () => {
  const wrong = Object.assign(new Error('password authentication failed for user "application"'), {
    code: "28P01",
  });
  const gone = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  let now = 0;
  let lines: { level: string; msg: string }[] = [];
  let refusals: Refusals;

  beforeEach(() => {
    now = Date.UTC(2026, 0, 1);
    lines = [];
    const log = createLogger(
      { level: "info", server: "primary" },
      { write: (l) => lines.push(JSON.parse(l)) },
    );
    refusals = new Refusals(log, () => now);
  });

  /** Fails each second for so long. */
  function failFor(seconds: number, error: Error = wrong): void {
    for (let second = 0; second <= seconds; second++) {
      refusals.failed("shared", "application", error);
      now += 1000;
    }
  }

  test("for a moment is a rotation that is under way", () => {
    failFor(28);
    expect([refusals.problem, lines]).toEqual([null, []]);
  });

  test("for longer is a problem, and an error in the log once", () => {
    failFor(90);
    const problem =
      "the shared database has refused this server's password of the role application since 2026-01-01T00:00:00.000Z";
    expect(refusals.problem).toBe(problem);
    expect(lines).toEqual([expect.objectContaining({ level: "error", msg: problem, database: "shared" })]);
  });

  test("is over with the first connection that is accepted", () => {
    failFor(60);
    refusals.accepted("shared", "migration");
    expect(refusals.problem).toMatch(/role application/);
    refusals.accepted("shared", "application");
    expect(refusals.problem).toBeNull();
    failFor(10);
    expect(refusals.problem).toBeNull();
  });

  test("is not said any more when nobody has met it for a while", () => {
    failFor(60);
    now += 30_000;
    expect(refusals.problem).toBeNull();
    failFor(5);
    expect(refusals.problem).toBeNull();
  });

  test("is something else than a database that is away", () => {
    failFor(60, gone);
    expect([refusals.problem, lines]).toEqual([null, []]);
  });
});
