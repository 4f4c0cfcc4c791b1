import { randomUUID } from "node:crypto";
import { appendFile, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FastifyRequest } from "fastify";
import type { ClientBase } from "pg";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { gatewayToken } from "../../../core/gatewayToken.ts";
import type { AuditEvent } from "../../../server/audit/event.ts";
import { SequenceNumbers } from "../../../server/audit/numbers.ts";
import { AuditSpool, SpoolUnavailable } from "../../../server/audit/spool.ts";
import { auditValues, insertEvents } from "../../../server/audit/store.ts";
import { clientAddress } from "../../../server/http/clientAddress.ts";

const log = pino({ level: "silent" });
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pgc-audit-"));
});
afterEach(() => rm(folder, { recursive: true }));

function event(sequence: number): AuditEvent {
  return {
    ...{ server: "primary", sequence, id: randomUUID(), at: "2026-01-01T00:00:00.000Z", kind: "resource" },
    ...{ operation: "resource.reveal", outcome: "success", actor: "a", actorId: null, object: null },
    ...{ objectName: null, address: "127.0.0.1", details: { key: "x" } },
  } as AuditEvent;
}

describe("what cannot stand in PostgreSQL", () => {
  // "DELETE /api/resources/%00" by somebody who may not.
  const hostile: AuditEvent = {
    ...event(1),
    object: "a\0b\ud800c",
    details: { reason: ["\0"], "key\\u0000": "🔑" },
  };

  test("should be replaced in the event of a write", () => {
    const values = auditValues(hostile);
    expect(values).toContain("a\ufffdb\ufffdc");
    expect(values.at(-1)).toBe(JSON.stringify({ reason: ["\ufffd"], "key\\u0000": "🔑" }));
  });

  test("should be replaced in events that are inserted together", async () => {
    let inserted = "";
    const query = async ({ values: [json] }: { values: [string] }) => {
      inserted = json;
      return { rowCount: 1 };
    };
    await insertEvents({ query } as unknown as ClientBase, [hostile]);
    expect(JSON.parse(inserted)).toMatchObject([
      { object: "a\ufffdb\ufffdc", details: { reason: ["\ufffd"] } },
    ]);
  });
});

describe("SequenceNumbers", () => {
  test("should never give a number twice, whether it ended in order or not", async () => {
    const first = await SequenceNumbers.open(folder);
    const given = [await first.take(), await first.take()];
    await first.release();
    const second = await SequenceNumbers.open(folder);
    for (let index = 0; index < 12_000; index += 1) given.push(await second.take());
    expect(given).toEqual(Array.from({ length: 12_002 }, (_, index) => index + 1));
    // Killed: what was reserved is not given again.
    const third = await SequenceNumbers.open(folder);
    expect(await third.take()).toBeGreaterThan(12_002);
    third.skip(90_000);
    expect(await third.take()).toBe(90_001);
  });

  test("should refuse a file that it does not understand", async () => {
    await writeFile(join(folder, "audit-sequence.json"), "{");
    await expect(SequenceNumbers.open(folder)).rejects.toThrow(/cannot be understood/);
  });
});

describe("AuditSpool", () => {
  test("should give back what was appended, also after a crash, until it is removed", async () => {
    const events = [event(1), event(2), event(3)];
    const spool = await AuditSpool.open(folder, 10_000, log);
    await spool.append(events.slice(0, 2));
    const afterCrash = await AuditSpool.open(folder, 10_000, log);
    expect(await afterCrash.highest()).toBe(2);
    await afterCrash.append(events.slice(2));
    const oldest = await afterCrash.oldest();
    expect(oldest?.events).toEqual(events.slice(0, 2));
    await oldest?.remove();
    const next = await afterCrash.oldest();
    expect(next?.events).toEqual(events.slice(2));
    await next?.remove();
    expect([await afterCrash.oldest(), afterCrash.isEmpty, await readdir(folder)]).toEqual([null, true, []]);
  });

  test("should keep in files of a few megabytes what waits for long, and give it back in order", async () => {
    const spool = await AuditSpool.open(folder, 64 * 1024 * 1024, log);
    const batch = (first: number) => Array.from({ length: 500 }, (_, index) => event(first + index));
    for (let first = 1; first < 40_000; first += 500) await spool.append(batch(first));
    const names = await readdir(folder);
    expect(names.length).toBeGreaterThan(1);
    for (const name of names) expect((await stat(join(folder, name))).size).toBeLessThan(5 * 1024 * 1024);
    const seen: number[] = [];
    for (let oldest = await spool.oldest(); oldest !== null; oldest = await spool.oldest()) {
      seen.push(...oldest.events.map(({ sequence }) => sequence));
      await oldest.remove();
    }
    expect(seen).toEqual(Array.from({ length: 40_000 }, (_, index) => index + 1));
  });

  test("should take events while others are forwarded, and lose none", async () => {
    const spool = await AuditSpool.open(folder, 10_000_000, log);
    const seen: number[] = [];
    let isDone = false;
    const forward = async (): Promise<void> => {
      for (;;) {
        const oldest = await spool.oldest();
        if (oldest === null && isDone) return;
        seen.push(...(oldest?.events ?? []).map(({ sequence }) => sequence));
        await oldest?.remove();
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const forwarding = forward();
    try {
      for (let sequence = 1; sequence <= 300; sequence += 1) await spool.append([event(sequence)]);
    } finally {
      isDone = true;
      await forwarding;
    }
    expect(seen).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  });

  test("should leave out half an event at the end", async () => {
    const spool = await AuditSpool.open(folder, 10_000, log);
    await spool.append([event(1)]);
    await spool.close();
    const [name = ""] = await readdir(folder);
    await appendFile(join(folder, name), '{"server":"primary","sequ');
    const again = await AuditSpool.open(folder, 10_000, log);
    expect((await again.oldest())?.events.map(({ sequence }) => sequence)).toEqual([1]);
  });

  test("should refuse clearly when it is full, and take events again when there is room", async () => {
    const spool = await AuditSpool.open(folder, 500, log);
    await spool.append([event(1)]);
    await expect(spool.append([event(2)])).rejects.toThrow(SpoolUnavailable);
    await (await spool.oldest())?.remove();
    await spool.append([event(2)]);
    expect((await spool.oldest())?.events.map(({ sequence }) => sequence)).toEqual([2]);
  });
});

describe("clientAddress", () => {
  const token = gatewayToken(Buffer.alloc(32, 1));
  const request = (headers: Record<string, string>) =>
    ({ ip: "10.0.0.1", headers }) as unknown as FastifyRequest;

  test.each<[string, Record<string, string>, string]>([
    ["the other end of the connection", {}, "10.0.0.1"],
    ["not what a client claims", { "x-forwarded-for": "1.2.3.4" }, "10.0.0.1"],
    ["not what a client claims with a guessed token", { "x-pg-continuity-gateway": "x" }, "10.0.0.1"],
    ["what the gateway says", { "x-pg-continuity-gateway": token }, "1.2.3.4"],
  ])("should be %s", (_what, headers, expected) => {
    const claimed: Record<string, string> =
      "x-pg-continuity-gateway" in headers ? { "x-forwarded-for": "9.9.9.9, 1.2.3.4" } : {};
    expect(clientAddress(request({ ...claimed, ...headers }), [token])).toBe(expected);
  });
});
