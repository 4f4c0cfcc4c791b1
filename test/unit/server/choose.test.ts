import { describe, expect, test } from "vitest";
import type { DatabaseName, ServerName } from "../../../core/vocabulary.ts";
import { choose } from "../../../server/databases/choose.ts";
import { type DatabaseView, unreachable } from "../../../server/databases/view.ts";

type Seen = "gone" | `${"primary" | "closed" | "standby"}@${number}` | `other@${number}`;

/** `primary@2`: reachable, not in recovery, timeline 2; `other`: a primary of another system. */
function view(name: DatabaseName, seen: Seen): DatabaseView {
  if (seen === "gone") return unreachable(name, "connection refused", 0);
  const [kind, timeline] = seen.split("@");
  return {
    name,
    reachable: true,
    inRecovery: kind === "standby",
    closed: kind === "closed",
    timeline: Number(timeline),
    systemId: kind === "other" ? "222" : "111",
    problem: null,
    loss: "none",
    observedAt: 0,
  };
}

interface Case {
  readonly server: ServerName;
  readonly shared: Seen;
  readonly readOnly: Seen;
  readonly highest?: number;
  readonly writable: DatabaseName | null;
  readonly readable: DatabaseName | null;
  readonly refused?: readonly DatabaseName[];
  readonly conflict?: true;
}

const cases: readonly Case[] = [
  // normal
  { server: "primary", shared: "primary@1", readOnly: "standby@1", writable: "shared", readable: "shared" },
  { server: "secondary", shared: "primary@1", readOnly: "standby@1", writable: "shared", readable: "shared" },
  {
    server: "read-only",
    shared: "primary@1",
    readOnly: "standby@1",
    writable: "shared",
    readable: "read-only",
  },
  { server: "read-only", shared: "primary@1", readOnly: "gone", writable: "shared", readable: "shared" },
  // the shared database is lost
  { server: "primary", shared: "gone", readOnly: "standby@1", writable: null, readable: "read-only" },
  { server: "primary", shared: "gone", readOnly: "gone", writable: null, readable: null },
  // promoted
  { server: "primary", shared: "gone", readOnly: "primary@2", writable: "read-only", readable: "read-only" },
  {
    server: "primary",
    shared: "standby@2",
    readOnly: "primary@2",
    writable: "read-only",
    readable: "read-only",
  },
  {
    server: "read-only",
    shared: "standby@2",
    readOnly: "primary@2",
    writable: "read-only",
    readable: "read-only",
  },
  // the old primary comes back by itself: never used, neither beside the new one nor alone
  {
    server: "primary",
    shared: "primary@1",
    readOnly: "primary@2",
    writable: "read-only",
    readable: "read-only",
    refused: ["shared"],
  },
  {
    server: "primary",
    shared: "primary@1",
    readOnly: "standby@2",
    writable: null,
    readable: "read-only",
    refused: ["shared"],
  },
  {
    server: "primary",
    shared: "primary@1",
    readOnly: "gone",
    highest: 2,
    writable: null,
    readable: null,
    refused: ["shared"],
  },
  // a standby that lags behind on its timeline may still be read when it is all there is
  {
    server: "primary",
    shared: "standby@1",
    readOnly: "gone",
    highest: 2,
    writable: null,
    readable: "shared",
  },
  // closed to writes on purpose: still right to read
  {
    server: "primary",
    shared: "closed@1",
    readOnly: "standby@1",
    writable: null,
    readable: "shared",
    refused: ["shared"],
  },
  // two that cannot be told apart: none
  {
    server: "primary",
    shared: "primary@2",
    readOnly: "primary@2",
    writable: null,
    readable: "shared",
    conflict: true,
  },
  {
    server: "primary",
    shared: "primary@3",
    readOnly: "other@1",
    writable: null,
    readable: "shared",
    conflict: true,
  },
  {
    server: "read-only",
    shared: "primary@2",
    readOnly: "primary@2",
    writable: null,
    readable: "read-only",
    conflict: true,
  },
];

describe("choose", () => {
  test.each(
    cases,
  )("$server server, shared $shared, read-only $readOnly, highest $highest → writes $writable, reads $readable", ({
    server,
    shared,
    readOnly,
    highest,
    writable,
    readable,
    refused,
    conflict,
  }) => {
    const choice = choose(
      server,
      [view("shared", shared), view("read-only", readOnly)],
      new Map(highest === undefined ? [] : [["111", highest]]),
    );
    expect(choice.writable).toBe(writable);
    expect(choice.readable).toBe(readable);
    expect(choice.refused.map(({ name }) => name)).toEqual(refused ?? []);
    expect(choice.conflict !== null).toBe(conflict === true);
  });

  test("should never choose a database that is in recovery, closed, unreachable or of a lower timeline", () => {
    const all: Seen[] = [
      "gone",
      "primary@1",
      "primary@2",
      "closed@1",
      "closed@2",
      "standby@1",
      "standby@2",
      "other@1",
    ];
    for (const shared of all) {
      for (const readOnly of all) {
        for (const highest of [0, 1, 2, 3]) {
          const views = [view("shared", shared), view("read-only", readOnly)];
          const { writable } = choose("primary", views, new Map([["111", highest]]));
          const chosen = views.find(({ name }) => name === writable);
          if (chosen === undefined) continue;
          expect(chosen).toMatchObject({ reachable: true, inRecovery: false, closed: false });
          if (chosen.systemId === "111") expect(chosen.timeline).toBeGreaterThanOrEqual(highest);
        }
      }
    }
  });
});
