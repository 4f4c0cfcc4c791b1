import { describe, expect, test } from "vitest";
import type { DatabaseName, ServerName } from "../../../core/vocabulary.ts";
import type { ClusterState } from "../../../server/databases/cluster.ts";
import {
  assess,
  type HealthPath,
  healthPaths,
  healthStatus,
  type ServerState,
} from "../../../server/health.ts";
import { writeTarget } from "../../../server/writes/writer.ts";

const all: readonly HealthPath[] = healthPaths;

/** The endpoints that answer 200, by server and state; the table of docs/server-endpoints.md. */
const truth: Record<ServerName | "acting-primary", Record<ServerState, readonly HealthPath[]>> = {
  primary: {
    "read-write": ["/healthz", "/read-write", "/read", "/primary"],
    holding: ["/healthz", "/read-write", "/read", "/primary"],
    "read-only": ["/healthz", "/read"],
    starting: ["/healthz"],
    unavailable: ["/healthz"],
    stopping: ["/healthz"],
  },
  secondary: {
    "read-write": ["/healthz", "/read-write", "/read", "/secondary"],
    holding: ["/healthz", "/read-write", "/read", "/secondary"],
    "read-only": ["/healthz", "/read"],
    starting: ["/healthz"],
    unavailable: ["/healthz"],
    stopping: ["/healthz"],
  },
  "read-only": {
    "read-write": [],
    holding: [],
    "read-only": ["/healthz", "/read", "/read-only"],
    starting: ["/healthz"],
    unavailable: ["/healthz"],
    stopping: ["/healthz"],
  },
  "acting-primary": {
    "read-write": ["/healthz", "/read-write", "/read", "/read-only", "/acting-primary"],
    holding: ["/healthz", "/read-write", "/read", "/read-only", "/acting-primary"],
    "read-only": [],
    starting: ["/healthz"],
    unavailable: [],
    stopping: ["/healthz"],
  },
};

const rows = Object.entries(truth).flatMap(([role, states]) =>
  Object.entries(states)
    .filter(([, paths]) => paths.length > 0)
    .map(([state, paths]) => ({
      role: role as ServerName | "acting-primary",
      state: state as ServerState,
      paths,
    })),
);

describe("healthStatus", () => {
  test.each(rows)("$role, $state → 200 on $paths", ({ role, state, paths }) => {
    const server = role === "acting-primary" ? "read-only" : role;
    expect(all.filter((path) => healthStatus(path, { server, role, state }) === 200)).toEqual(
      all.filter((path) => paths.includes(path)),
    );
  });
});

function clusterState(
  writable: DatabaseName | null,
  readable: DatabaseName | null,
  seen: Partial<Record<DatabaseName, number>> = {},
): ClusterState {
  return {
    views: (["shared", "read-only"] as const).map((name) => ({
      name,
      reachable: true,
      inRecovery: name !== writable,
      closed: false,
      timeline: 4,
      systemId: "111",
      problem: null,
      loss: "none",
      observedAt: 1000,
    })),
    choice: { writable, readable, refused: [], conflict: null },
    writableSeenAt: new Map(Object.entries(seen) as [DatabaseName, number][]),
  };
}

const now = 100_000;
const moments: readonly [string, ServerName, ClusterState, ServerState, string, DatabaseName | null][] = [
  ["writes", "primary", clusterState("shared", "shared"), "read-write", "primary", "shared"],
  [
    "holds",
    "primary",
    clusterState(null, "read-only", { shared: now - 5000 }),
    "holding",
    "primary",
    "read-only",
  ],
  [
    "gave up",
    "primary",
    clusterState(null, "read-only", { shared: now - 5001 }),
    "read-only",
    "primary",
    "read-only",
  ],
  ["lost all", "secondary", clusterState(null, null), "unavailable", "secondary", null],
  ["follows", "primary", clusterState("read-only", "read-only"), "read-write", "primary", "read-only"],
  ["reads", "read-only", clusterState("shared", "read-only"), "read-only", "read-only", "read-only"],
  [
    "continuity",
    "read-only",
    clusterState(null, "read-only", { shared: now }),
    "read-only",
    "read-only",
    "read-only",
  ],
  ["acts", "read-only", clusterState("read-only", "read-only"), "read-write", "acting-primary", "read-only"],
  [
    "act held",
    "read-only",
    clusterState(null, null, { "read-only": now - 1 }),
    "holding",
    "acting-primary",
    null,
  ],
  [
    "restored",
    "read-only",
    clusterState("shared", "read-only", { "read-only": now - 1 }),
    "read-only",
    "read-only",
    "read-only",
  ],
];

describe("assess", () => {
  test.each(moments)("%s: %s server", (_name, server, state, expected, role, database) => {
    const input = { server, state, ready: true, stopping: false, now, writeHoldSeconds: 5 };
    expect(assess(input)).toMatchObject({ server, state: expected, role, database });
    expect(assess({ ...input, ready: false }).state).toBe("starting");
    expect(assess({ ...input, stopping: true }).state).toBe("stopping");
  });

  test.each(moments)("%s: what health says is what a write meets", (_name, server, state, expected) => {
    const target = writeTarget(server, state, now, 5);
    if (expected === "read-write") expect(target).toBe(state.choice.writable);
    if (expected === "holding") expect(target).toBe("wait");
    if (server === "read-only" && expected === "read-only") expect(target).toBe("refuse");
  });
});
