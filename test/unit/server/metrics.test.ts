import { describe, expect, test } from "vitest";
import { Metrics } from "../../../server/metrics/registry.ts";
import type { Overview } from "../../../server/overview/schema.ts";

const time = "2026-11-21T10:00:00.000Z";
type Tile = Overview["databases"][number];

function overview(databases: Partial<Tile>): Overview {
  const tile: Tile = {
    ...{ name: "shared", role: "primary", expectedRole: "primary", active: true, address: "shared:5432" },
    ...{ version: "17.6", timeline: 1, lsn: "0/3000000", lagBytes: null, lagSeconds: null, streaming: null },
    ...{ syncState: null, slot: null, startedAt: time, since: time, detail: null, reachedBy: [] },
    ...{ observedAt: time, causes: null },
    ...databases,
  };
  return {
    ...{ server: "primary", observedAt: time, stack: "dev", model: "secondary", phase: "normal" },
    ...{ verdict: "ok", summary: "Everything is as declared.", writable: "shared", transition: null },
    ...{ servers: [], databases: [tile], applications: [], gateway: null, findings: [], alerts: [] },
    ...{ alerting: null, backups: null, next: null },
  };
}
const samples = async (seen: Overview, name: string) =>
  (await new Metrics().render({ overview: seen, auditSpoolBytes: 0 }))
    .split("\n")
    .filter((line) => line.startsWith(name));

describe("the metrics", () => {
  test("say whether a transition runs, and which database is writable", async () => {
    const seen = overview({});
    expect(await samples(seen, "pg_continuity_transition_running")).toEqual([
      "pg_continuity_transition_running 0",
    ]);
    const running = { ...seen, transition: { holder: "pg-continuity promote x", since: time } };
    expect(await samples(running, "pg_continuity_transition_running")).toEqual([
      "pg_continuity_transition_running 1",
    ]);
    expect(await samples(seen, "pg_continuity_writable")).toEqual([
      'pg_continuity_writable{database="shared"} 1',
    ]);
  });

  test("say nothing of a transition that no database can tell of, nor of a database that was not looked at", async () => {
    const gone = {
      ...overview({ role: "down", active: false, lsn: null, observedAt: time }),
      writable: null,
    };
    expect(await samples(gone, "pg_continuity_transition_running")).toEqual([]);
    expect(await samples(gone, "pg_continuity_writable")).toEqual([
      'pg_continuity_writable{database="shared"} 0',
    ]);
    const unseen = overview({ role: "down", lsn: null, observedAt: null });
    expect(await samples({ ...unseen, writable: null }, "pg_continuity_writable")).toEqual([]);
  });
});
