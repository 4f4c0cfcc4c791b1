import { describe, expect, it } from "vitest";
import { plan } from "../../../core/transition/plan.ts";
import { renderPreflight } from "../../../core/transition/report.ts";
import type { Goal, Step } from "../../../core/transition/step.ts";
import { movingDatabases } from "../../../core/transition/view.ts";
import { observeWorld, type SimulatedDatabase, type World } from "./world.ts";

const base: Goal = {
  transition: "promote",
  transitionId: "CHG-1",
  allowDataLoss: false,
  primaryIsDown: false,
  keepDiverged: true,
  readUnsentWal: true,
};

function world(shared: Partial<SimulatedDatabase> = {}, readOnly: Partial<SimulatedDatabase> = {}): World {
  const common = {
    container: "running",
    reachable: true,
    timeline: 1,
    lsn: 0x1000,
    transitionId: "initial",
    cleanStop: false,
    replayPaused: false,
    systemId: "7",
  } as const;
  return {
    shared: {
      ...common,
      name: "shared",
      postgres: "writable",
      intentRole: "primary",
      upstream: undefined,
      ...shared,
    },
    readOnly: {
      ...common,
      name: "read-only",
      postgres: "standby",
      intentRole: "standby",
      upstream: "shared",
      ...readOnly,
    },
  };
}

const promoted = world(
  { postgres: "standby", intentRole: "standby", upstream: "read-only", timeline: 2, transitionId: "CHG-0" },
  { postgres: "writable", intentRole: "primary", upstream: undefined, timeline: 2, transitionId: "CHG-0" },
);

const kinds = (steps: readonly Step[]) => steps.map(({ kind }) => kind);

describe("plan", () => {
  it.each<[what: string, world: World, goal: Partial<Goal>, steps: string[]]>([
    ["promotes in order while both run", world(), {}, ["switch-over", "follow"]],
    ["restores in order", promoted, { transition: "restore" }, ["switch-over", "follow"]],
    [
      "copies the shared one again before it restores, where the WAL that it needs is gone",
      { ...promoted, shared: { ...promoted.shared, walGone: true } },
      { transition: "restore" },
      ["follow", "switch-over", "follow"],
    ],
    [
      "goes on after the old primary had stepped down",
      world({ postgres: "standby", intentRole: "standby", upstream: "read-only" }),
      {},
      ["promote", "follow"],
    ],
    [
      "goes on after the promotion, before the old primary followed",
      world(
        { container: "stopped", postgres: "closed", intentRole: "standby", upstream: "read-only" },
        promoted.readOnly,
      ),
      { transitionId: "CHG-0" },
      ["follow"],
    ],
    [
      "proves zero loss by the word that a database left when it was stopped in order",
      world({ container: "stopped", postgres: "closed", cleanStop: true }),
      {},
      ["fence", "promote", "follow"],
    ],
    [
      "promotes in an emergency when the loss is accepted for this transition",
      world({ container: "stopped", postgres: "closed" }),
      { allowDataLoss: true },
      ["fence", "promote", "follow"],
    ],
    [
      "promotes past an unreachable host on the operator's word",
      world({ reachable: false }),
      { allowDataLoss: true, primaryIsDown: true },
      ["promote"],
    ],
    [
      "proves zero loss by synchronous replication: the replica has the present era",
      world({ container: "stopped", postgres: "closed" }, { era: "e2" }),
      { synchronousEra: "e2" },
      ["fence", "promote", "follow"],
    ],
    [
      "brings a stopped shared database back before it swaps",
      world(
        { container: "stopped", postgres: "closed", intentRole: "standby", upstream: "read-only" },
        promoted.readOnly,
      ),
      { transition: "restore" },
      ["follow", "switch-over", "follow"],
    ],
    ["rebuilds a standby that streams", world(), { transition: "rebuild" }, ["copy"]],
    [
      "rebuilds a standby that is closed",
      world({}, { postgres: "closed" }),
      { transition: "rebuild" },
      ["copy"],
    ],
    [
      "closes an old primary that came back writable",
      world({}, { ...promoted.readOnly }),
      {},
      ["fence", "follow"],
    ],
    [
      "records a promotion that somebody did by hand",
      world(promoted.shared, { ...promoted.readOnly, intentRole: "standby", upstream: "shared" }),
      {},
      ["record-intent"],
    ],
    ["has nothing to do once this very transition is done", promoted, { transitionId: "CHG-0" }, []],
  ])("%s", (_what, state, goal, steps) => {
    const result = plan(observeWorld(state), { ...base, ...goal });
    expect(result.refused).toEqual([]);
    expect(kinds(result.steps)).toEqual(steps);
  });

  it.each<[what: string, world: World, goal: Partial<Goal>, reason: RegExp, remedy: RegExp]>([
    [
      "restore when nothing was promoted",
      world(),
      { transition: "restore" },
      /nothing was promoted/,
      /transition none/,
    ],
    ["promote twice", promoted, {}, /writable one already \(transition CHG-0\)/, /transition restore/],
    [
      "rebuild of the acting primary",
      promoted,
      { transition: "rebuild" },
      /only current data/,
      /transition restore/,
    ],
    [
      "promote of a standby that is behind another one",
      world(
        { postgres: "standby", intentRole: "standby", upstream: "read-only", lsn: 0x1010 },
        { walGone: true },
      ),
      { allowDataLoss: true },
      /shared is a standby too, and has more: it is at 0\/1010, while read-only has replayed up to 0\/1000/,
      /Promote shared: .*transition restore.*stop its container/,
    ],
    ["a replica that was away too long", world({}, { walGone: true }), {}, /does not stream/, /rebuild/],
    ["paused replay", world({}, { replayPaused: true }), {}, /replay is paused/, /pg_wal_replay_resume/],
    ["a replica that is closed", world({}, { postgres: "closed" }), {}, /waits closed/, /rebuild/],
    [
      "a replica of other data",
      world({}, { systemId: "8" }),
      {},
      /different system identifiers/,
      /which data counts/,
    ],
    ["a replica far behind", world({ lsn: 0x9000000 }), {}, /bytes behind/, /Wait until/],
    [
      "an emergency without word",
      world({ container: "stopped", postgres: "closed" }),
      {},
      /replayed up to 0\/1000 on timeline 1/,
      /allowDataLoss CHG-1/,
    ],
    [
      "an emergency whose replica has an earlier era: it was switched off meanwhile",
      world({ container: "stopped", postgres: "closed" }, { era: "e1" }),
      { synchronousEra: "e2" },
      /zero loss cannot be proved/,
      /allowDataLoss CHG-1/,
    ],
    [
      "an emergency whose replica has an era, but replication is asynchronous now",
      world({ container: "stopped", postgres: "closed" }, { era: "e1" }),
      {},
      /zero loss cannot be proved/,
      /allowDataLoss CHG-1/,
    ],
    [
      "an unreachable primary also where replication is synchronous",
      world({ reachable: false }, { era: "e2" }),
      { synchronousEra: "e2" },
      /cannot be fenced/,
      /primaryIsDown CHG-1/,
    ],
    [
      "a rebuild while writes would wait for it",
      world({ synchronous: true }),
      { transition: "rebuild" },
      /would wait as long as the copy takes/,
      /synchronous false/,
    ],
    [
      "an unreachable primary",
      world({ reachable: false }),
      { allowDataLoss: true },
      /cannot be fenced/,
      /primaryIsDown CHG-1/,
    ],
    [
      "nobody left",
      world({ container: "stopped" }, { container: "stopped" }),
      {},
      /neither database/,
      /Start one/,
    ],
  ])("refuses %s", (_what, state, goal, reason, remedy) => {
    const result = plan(observeWorld(state), { ...base, ...goal });
    expect(result.steps).toEqual([]);
    expect(result.refused.map((refusal) => refusal.reason).join("; ")).toMatch(reason);
    expect(result.refused.map((refusal) => refusal.remedy).join(" ")).toMatch(remedy);
  });
});

it("promotes a standby that streams from another one only once it has all of that", () => {
  const stoppedDown = { postgres: "standby", intentRole: "standby", upstream: "read-only" } as const;
  const replayed = (lsn: number) => {
    const { steps } = plan(observeWorld(world({ ...stoppedDown, lsn })), base);
    const [promote] = steps;
    return promote?.kind === "promote" ? [promote.proof, promote.replayed] : undefined;
  };
  expect(replayed(0x1010)).toEqual(["lossless", "0/100F"]);
  expect(replayed(0x1000)).toEqual(["lossless", null]);
});

it.each<[what: string, world: World, goal: Partial<Goal>, from: string | null]>([
  ["of a stopped container", world({ container: "stopped", postgres: "closed" }), {}, "shared"],
  ["of a database that waits closed", world({ postgres: "closed" }), {}, "shared"],
  [
    "of nobody where that was not wanted",
    world({ container: "stopped", postgres: "closed" }),
    { readUnsentWal: false },
    null,
  ],
  ["of nobody who cannot be reached", world({ reachable: false }), { primaryIsDown: true }, null],
  ["of nobody whose container is gone", world({ container: "missing", postgres: "closed" }), {}, null],
  [
    "of nobody who was confirmed to have nothing more",
    world({ container: "stopped", postgres: "closed" }, { era: "e2" }),
    { synchronousEra: "e2" },
    null,
  ],
])("reads the disk %s before an emergency promote", (_what, seen, goal, from) => {
  const { steps, warnings } = plan(observeWorld(seen), { ...base, allowDataLoss: true, ...goal });
  expect(steps.find(({ kind }) => kind === "promote")).toMatchObject({ unsentFrom: from });
  expect(warnings.some((warning) => warning.includes("unless its disk can be read"))).toBe(from !== null);
});

it("warns that writes wait on a synchronous primary whom nobody can follow", () => {
  const observation = observeWorld(world({ reachable: false }, { era: "e2", synchronous: true }));
  const goal = { ...base, primaryIsDown: true, synchronousEra: "e2" };
  const { steps, warnings } = plan(observation, goal);
  expect(steps).toEqual([
    {
      kind: "promote",
      database: "read-only",
      seenTimeline: 1,
      replayed: null,
      unsentFrom: null,
      proof: "lossless",
    },
  ]);
  expect(warnings).toEqual([
    "replication was synchronous: whatever shared acknowledged has reached read-only",
    expect.stringMatching(
      /writes on read-only wait until shared follows.*pulumi config set synchronous false/,
    ),
  ]);
});

describe("renderPreflight", () => {
  it("shows what is observed, the verdict and what each step costs", () => {
    const observation = observeWorld(world());
    expect(renderPreflight(base, observation, plan(observation, base))).toMatchInlineSnapshot(`
      "promote (CHG-1)
        shared accepts writes: timeline 1, LSN 0/1000
        read-only is a standby: timeline 1, LSN 0/1000, 0 bytes behind
      verdict: can run, no write is lost
        1. checkpoint and stop shared in order, replay its last byte on read-only, promote read-only [writes wait, about 0.3 s]
        2. shared follows read-only (as it is: it ends in order, and read-only has its last byte) [no downtime, about 1 s]"
    `);
  });

  it("says REFUSED with every reason", () => {
    const observation = observeWorld(world({ reachable: false }));
    expect(renderPreflight(base, observation, plan(observation, base))).toMatchInlineSnapshot(`
      "promote (CHG-1)
        shared cannot be reached (host does not answer)
        read-only is a standby: timeline 1, LSN 0/1000
      verdict: REFUSED, nothing will be changed
        - shared cannot be reached (host does not answer), so it cannot be fenced: it may still accept writes. Switch it off, then say so for this transition: "pulumi config set primaryIsDown CHG-1".
        - shared cannot be reached (host does not answer), so zero loss cannot be proved: read-only has replayed up to 0/1000 on timeline 1 and received up to 0/1000; writes that shared acknowledged after that and did not send are lost. Start shared again if you can, or accept the loss for this transition: "pulumi config set allowDataLoss CHG-1"."
    `);
  });
});

describe("databases on their way from one state to another", () => {
  it.each<[what: string, world: World, moving: string[]]>([
    ["none while both are what they should be", world(), []],
    ["one that runs and does not answer", world({ postgres: "hung" }), ["shared"]],
    ["one that was told to be the primary and is not yet", world({ postgres: "standby" }), ["shared"]],
    ["not one that waits closed", world({ postgres: "closed" }), []],
    ["not one whose container is stopped", world({ container: "stopped" }), []],
    ["not one that nobody can ask", world({ reachable: false }), []],
  ])("%s", (_what, seen, moving) => {
    expect(movingDatabases(observeWorld(seen))).toEqual(moving);
  });
});
