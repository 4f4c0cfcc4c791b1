import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import type { AuditEvent } from "../../../server/audit/event.ts";
import type { Cluster } from "../../../server/databases/cluster.ts";
import { Writer } from "../../../server/writes/writer.ts";

/** A connection whose statements fail as told; what is not told succeeds. */
type Failures = Readonly<Record<string, { readonly code: string; readonly message: string }>>;

/** A writable database; each attempt gets the next connection. */
function clusterOf(attempts: readonly Failures[]): Cluster {
  const left = [...attempts];
  const using = (work: (client: unknown) => Promise<unknown>) => {
    const failures = left.shift() ?? {};
    const query = async (statement: string | { name: string }) => {
      const name = typeof statement === "string" ? (statement.split(" ")[0] ?? "") : statement.name;
      const failure = failures[name];
      if (failure !== undefined) throw Object.assign(new Error(failure.message), failure);
      return { rowCount: 1, rows: [], command: name.toUpperCase() };
    };
    return work({ query, on: () => undefined, off: () => undefined });
  };
  return {
    state: { views: [], choice: { writable: "shared" }, writableSeenAt: new Map() },
    pool: () => ({ using }),
    lookNow: () => undefined,
  } as unknown as Cluster;
}

const lost = { code: "ECONNRESET", message: "read ECONNRESET" };
const timeUp = { code: "57014", message: "canceling statement due to statement timeout" };

describe("a write whose connection is lost during COMMIT", () => {
  const run = (...attempts: readonly Failures[]) =>
    new Writer("primary", clusterOf(attempts), 5, pino({ level: "silent" })).run({
      actor: "a",
      key: randomUUID(),
      requestHashes: [Buffer.alloc(32)],
      work: async () => ({ status: 200, body: {} }),
      audit: () => ({ details: {} }) as AuditEvent,
    });

  test("should be tried again", async () => {
    expect(await run({ commit: lost })).toMatchObject({ status: 200, replayed: false });
  });

  test("should stay unknown where the next attempt waits for the first one in vain", async () => {
    await expect(run({ commit: lost }, { "claim-key": timeUp })).rejects.toMatchObject({
      name: "WriteUnavailable",
      outcomeUnknown: true,
      message: expect.stringContaining("same Idempotency-Key"),
    });
  });

  test("should not be unknown where the first attempt alone was too slow", async () => {
    await expect(run({ "claim-key": timeUp })).rejects.toMatchObject({ code: "57014" });
  });
});
