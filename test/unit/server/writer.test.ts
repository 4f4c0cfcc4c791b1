import { randomUUID } from "node:crypto";
import { DatabaseError } from "pg";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import type { AuditEvent } from "../../../server/audit/event.ts";
import type { Cluster } from "../../../server/databases/cluster.ts";
import { Writer } from "../../../server/writes/writer.ts";

/** A connection whose statements fail as told; what is not told succeeds. */
type Failures = Readonly<Record<string, { readonly code: string; readonly message: string }>>;

/** What the database itself has answered has an SQLSTATE. */
const errorOf = ({ code }: { readonly code: string }) =>
  /^[0-9A-Z]{5}$/.test(code)
    ? class extends DatabaseError {
        constructor(message: string) {
          super(message, message.length, "error");
        }
      }
    : Error;

/** A writable database; each attempt gets the next connection. */
function clusterOf(attempts: readonly Failures[], sent: string[] = []): Cluster {
  const left = [...attempts];
  const using = (work: (client: unknown) => Promise<unknown>) => {
    const failures = left.shift() ?? {};
    const query = async (statement: string | { name: string }) => {
      const name = typeof statement === "string" ? (statement.split(" ")[0] ?? "") : statement.name;
      const failure = failures[name];
      sent.push(name);
      if (failure !== undefined) throw Object.assign(new (errorOf(failure))(failure.message), failure);
      return { rowCount: 1, rows: [], command: name.toUpperCase() };
    };
    return work({ query, on: () => undefined, off: () => undefined });
  };
  return {
    state: { views: [], choice: { writable: "shared" }, writableSeenAt: new Map() },
    pool: () => ({ using }),
    lookAgain: async () => undefined,
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

describe("a write whose record is sent together with its commit", () => {
  const run = (sent: string[], event: object, ...attempts: readonly Failures[]) =>
    new Writer("primary", clusterOf(attempts, sent), 5, pino({ level: "silent" })).run({
      actor: "a",
      key: randomUUID(),
      requestHashes: [Buffer.alloc(32)],
      work: async () => ({ status: 200, body: {} }),
      audit: () => event as AuditEvent,
    });

  test("should not be unknown where the database refused the record: it was rolled back", async () => {
    await expect(
      run([], { details: {} }, { "record-response": timeUp, commit: { code: "08006", message: "gone" } }),
    ).rejects.toMatchObject({ code: "57014" });
  });

  test("should stay unknown where the connection was lost", async () => {
    await expect(
      run([], { details: {} }, { "record-response": lost, commit: lost }, { "claim-key": timeUp }),
    ).rejects.toMatchObject({ outcomeUnknown: true });
  });

  test("should send nothing of it that the driver might not be able to send", async () => {
    const sent: string[] = [];
    await expect(run(sent, { details: {}, objectName: {} })).rejects.toThrow(TypeError);
    expect(sent).not.toContain("commit");
  });
});
