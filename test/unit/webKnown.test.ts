import { describe, expect, test } from "vitest";
import type { DatabaseTile, Overview, ServerTile } from "../../server/overview/schema.ts";
import {
  databaseIsActive,
  databaseKind,
  databaseUsed,
  receives,
  serverIsActive,
  slotOf,
} from "../../web/src/known.ts";

const server = (tile: Partial<ServerTile>) =>
  ({ role: "read-write", active: true, database: "shared", ...tile }) as ServerTile;
const database = (tile: Partial<DatabaseTile>) =>
  ({
    ...{ name: "read-only", role: "standby", active: true, observedAt: "2026-01-01T00:00:00Z", lsn: "0/1" },
    ...{
      streaming: true,
      slot: { name: "read_only", active: true, walStatus: "reserved", retainedBytes: 0 },
    },
    ...tile,
  }) as DatabaseTile;
const overview = (lsn: string | null, writable: Overview["writable"] = "shared") =>
  ({ writable, databases: [database({ name: "shared", lsn })] }) as Overview;

describe("the pages show what is not known as not known", () => {
  test("a server before it was asked, and the database of one that does not answer", () => {
    expect(serverIsActive(server({ role: "unknown", active: false }))).toBeNull();
    expect(serverIsActive(server({ role: "down", active: false }))).toBe(false);
    for (const role of ["down", "unknown"] as const)
      expect(databaseUsed(server({ role, database: null }))).toBe("unknown");
    expect(databaseUsed(server({ role: "unavailable", database: null }))).toBe("none");
    expect(databaseUsed(server({}))).toBe("shared");
  });

  test("a database before it was looked at", () => {
    const unseen = database({ role: "down", active: false, observedAt: null });
    expect([databaseIsActive(unseen), databaseKind(unseen)]).toEqual([null, "not looked at yet"]);
    const down = database({ role: "down", active: false });
    expect([databaseIsActive(down), databaseKind(down)]).toEqual([false, "down"]);
    expect(databaseKind(database({ role: "primary" }))).toBe("accepts writes");
  });

  test("the slot of a standby while the writable database cannot tell", () => {
    const without = database({ slot: null });
    expect(slotOf(without, overview(null))).toBe("unknown");
    expect(slotOf(without, overview("0/1", null))).toBe("unknown");
    expect(slotOf(without, overview("0/1"))).toBe("none");
    expect(slotOf(database({}), overview("0/1"))).toBe("read_only active, reserved");
  });

  test("whether a database receives", () => {
    expect(receives(database({}))).toBe(true);
    expect(receives(database({ streaming: false }))).toBe(false);
    expect(receives(database({ streaming: null }))).toBeNull();
    expect(receives(database({ role: "down", streaming: null }))).toBe(true);
    expect(receives(database({ role: "down", streaming: null, slot: null }))).toBeNull();
    expect(receives(database({ role: "refused", streaming: null }))).toBe(false);
  });
});
