import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Observation, unknown } from "../../../core/observation.ts";
import { type Outlook, outlookOn } from "../../../core/transition/outlook.ts";
import { plan } from "../../../core/transition/plan.ts";
import { type Goal, transitions } from "../../../core/transition/step.ts";
import type { DatabaseName } from "../../../core/vocabulary.ts";
import { anyWorld, healthy } from "./anyWorld.ts";
import { observeWorld, type SimulatedDatabase, type World } from "./world.ts";

const base: Goal = {
  transition: "promote",
  transitionId: "CHG-9",
  allowDataLoss: false,
  primaryIsDown: false,
  keepDiverged: true,
  readUnsentWal: true,
};

/** What a server sees of it: databases that answer, and of others nothing at all. */
function fromServer(observation: Observation, unreached: readonly DatabaseName[] = []): Observation {
  const unseen = unknown<never>("only its engine tells");
  return {
    ...observation,
    databases: observation.databases.map(({ name, observedAt, intent, postgres }) => {
      const answers = postgres.known && !unreached.includes(name);
      return {
        ...{
          name,
          observedAt,
          container: unseen,
          nodeState: unseen,
          stop: unseen,
          keptData: unseen,
          overrides: unseen,
        },
        intent: answers ? intent : unseen,
        postgres: answers ? postgres : unknown<never>("does not answer this server"),
      };
    }),
  };
}

const normal = healthy("shared");
const promoted = healthy("read-only");
const down: Partial<SimulatedDatabase> = { container: "stopped", postgres: "closed" };
const withShared = (world: World, change: Partial<SimulatedDatabase>): World => ({
  ...world,
  shared: { ...world.shared, ...change },
});
const withReadOnly = (world: World, change: Partial<SimulatedDatabase>): World => ({
  ...world,
  readOnly: { ...world.readOnly, ...change },
});

describe("the outlook on a transition, from a server", () => {
  it.each<[what: string, World, Goal["transition"], Outlook["verdict"], RegExp]>([
    ["a promote while all is well", normal, "promote", "can run", /^$/],
    ["a restore after a promote", promoted, "restore", "can run", /^$/],
    ["a rebuild while all is well", normal, "rebuild", "can run", /^$/],
    ["a restore where nothing was promoted", normal, "restore", "refused", /nothing was promoted/],
    ["a promote after a promote", promoted, "promote", "refused", /writable one already/],
    ["a rebuild of the writable one", promoted, "rebuild", "refused", /only current data/],
    [
      "a promote while replay is paused",
      withReadOnly(normal, { replayPaused: true }),
      "promote",
      "refused",
      /replay is paused/,
    ],
    [
      "a restore while the shared database is on another timeline",
      withShared(promoted, { timeline: 1, lsn: 0x900 }),
      "restore",
      "refused",
      /timeline/,
    ],
    [
      "a promote without the shared database: its end decides",
      withShared(normal, down),
      "promote",
      "unknown",
      /whether shared runs/,
    ],
    [
      "a restore without the shared database: its container decides",
      withShared(promoted, down),
      "restore",
      "unknown",
      /whether shared runs/,
    ],
    [
      "a rebuild without the replica: its container decides",
      withReadOnly(normal, down),
      "rebuild",
      "unknown",
      /whether read-only runs/,
    ],
    [
      "anything without both",
      withReadOnly(withShared(normal, down), down),
      "promote",
      "unknown",
      /whether shared runs[\s\S]*whether read-only runs/,
    ],
  ])("of %s", (_what, world, transition, verdict, words) => {
    const outlook = outlookOn(fromServer(observeWorld(world)), { ...base, transition });
    expect(outlook.verdict).toBe(verdict);
    const said = verdict === "refused" ? outlook.plan.refused.map(({ reason }) => reason) : outlook.unseen;
    expect(said.join("\n")).toMatch(words);
  });

  it("is that of the planner on the whole truth, wherever it says one", () => {
    const goals = fc.record({
      ...Object.fromEntries(Object.entries(base).map(([key, value]) => [key, fc.constant(value)])),
      transition: fc.constantFrom(...transitions),
    }) as fc.Arbitrary<Goal>;
    const unreached = fc.subarray<DatabaseName>(["shared", "read-only"]);
    // Whether its replay counts depends on a slot that is not seen.
    const { shared, readOnly } = healthy("read-only");
    const pausedAndAway = { shared: { ...shared, replayPaused: true, walGone: true }, readOnly };
    const said = { "can run": 0, refused: 0, unknown: 0, "nothing to do": 0 };
    fc.assert(
      fc.property(anyWorld, goals, unreached, (world, goal, cut) => {
        const whole = observeWorld(world);
        const { verdict } = outlookOn(fromServer(whole, cut), goal);
        said[verdict] += 1;
        if (verdict === "unknown") return;
        const { steps, refused } = plan(whole, goal);
        const truth = refused.length > 0 ? "refused" : steps.length > 0 ? "can run" : "nothing to do";
        expect(verdict).toBe(truth);
      }),
      { numRuns: 5000, examples: [[pausedAndAway, { ...base, transition: "restore" }, ["read-only"]]] },
    );
    expect(said["can run"]).toBeGreaterThan(0);
    expect(said.refused).toBeGreaterThan(0);
  });

  it("leaves open what only the era of synchronous replication proves", () => {
    const cut = withShared(normal, { postgres: "standby", timeline: 1, intentRole: "fenced" });
    const seen = fromServer(observeWorld(cut));
    expect(outlookOn(seen, base).verdict).toBe("refused");
    expect(outlookOn(seen, base, true).verdict).toBe("unknown");
  });

  it("leaves open what depends on what a database was told to be", () => {
    const seen = fromServer(observeWorld(normal));
    const databases = seen.databases.map((one) => ({ ...one, intent: unknown<never>("not asked") }));
    const outlook = outlookOn({ ...seen, databases }, base);
    expect(outlook).toMatchObject({
      verdict: "unknown",
      unseen: ["what shared was told to be (not asked)", "what read-only was told to be (not asked)"],
    });
  });
});
