import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plan } from "../../../core/transition/plan.ts";
import { type Goal, type Step, transitions } from "../../../core/transition/step.ts";
import type { DatabaseName } from "../../../core/vocabulary.ts";
import { anyWorld, healthy } from "./anyWorld.ts";
import {
  apply,
  byName,
  databasesOf,
  endedInDisorder,
  isWritable,
  observeInHaste,
  observeWorld,
  otherOf,
  streams,
  type World,
} from "./world.ts";

const goals: fc.Arbitrary<Goal> = fc.record({
  transition: fc.constantFrom(...transitions),
  transitionId: fc.constantFrom("CHG-1", "CHG-2"),
  allowDataLoss: fc.boolean(),
  primaryIsDown: fc.boolean(),
  keepDiverged: fc.boolean(),
  readUnsentWal: fc.boolean(),
});

/** Worlds that hold I1 already, as every world does that only ever saw this planner. */
const soundWorld = anyWorld.filter(
  (world) =>
    !databasesOf(world).every((each) => each.container !== "stopped" && each.postgres === "writable"),
);

const runs = { numRuns: 20_000 };

describe("plan, over every state that can be observed", () => {
  it("never promotes while the other database accepts writes, but on the operator's word", () => {
    fc.assert(
      fc.property(anyWorld, goals, (world, goal) => {
        for (const step of firstStep(world, goal)) {
          if (step.kind !== "promote") continue;
          const other = otherOf(world, step.database);
          expect(!isWritable(other) || (!other.reachable && goal.primaryIsDown && goal.allowDataLoss)).toBe(
            true,
          );
        }
      }),
      runs,
    );
  });

  it("never promotes with possible loss, nor past an unreachable primary, without being allowed to", () => {
    fc.assert(
      fc.property(anyWorld, goals, (world, goal) => {
        const { steps } = plan(observeWorld(world), goal);
        for (const step of steps) {
          if (step.kind !== "promote" || step.proof !== "possible loss") continue;
          expect(goal.allowDataLoss).toBe(true);
          if (!otherOf(world, step.database).reachable) expect(goal.primaryIsDown).toBe(true);
        }
      }),
      runs,
    );
  });

  it("calls a promotion lossless only where the new primary has every byte of the old one", () => {
    fc.assert(
      fc.property(anyWorld, goals, (world, goal) => {
        const [step] = plan(observeWorld(world), goal).steps;
        if (step?.kind !== "promote" || step.proof !== "lossless") return;
        const target = byName(world, step.database);
        const other = otherOf(world, step.database);
        expect(target.lsn >= other.lsn || streams(world, target)).toBe(true);
      }),
      runs,
    );
  });

  it("only plans an act whose precondition was observed", () => {
    fc.assert(
      fc.property(anyWorld, goals, (world, goal) => {
        for (const step of firstStep(world, goal)) expect(preconditionHolds(world, step)).toBe(true);
      }),
      runs,
    );
  });

  it("comes to its end, and never makes a second writable database on the way", () => {
    fc.assert(
      fc.property(soundWorld, goals, (start, goal) => {
        const world = structuredClone(start);
        const deceived = databasesOf(world).some((each) => !each.reachable && isWritable(each));
        for (let round = 0; round < 10; round++) {
          const { steps, refused } = plan(observeWorld(world), goal);
          const [step] = steps;
          if (!step || refused.length > 0) return;
          apply(world, step, goal.transitionId);
          // A lie of the operator (primaryIsDown of one that runs) is the one thing that no planner can see.
          if (!deceived) expect(databasesOf(world).filter(isWritable).length).toBeLessThanOrEqual(1);
        }
        throw new Error(`no end: ${JSON.stringify(world)}`);
      }),
      runs,
    );
  });

  it("needs not know what a stopped database was told: it fences once more, and is otherwise the same", () => {
    fc.assert(
      fc.property(anyWorld, goals, (world, goal) => {
        const full = plan(observeWorld(world), goal);
        const hasty = plan(observeInHaste(world, new Set()), goal);
        const but = ({ steps }: typeof full) =>
          steps.filter((step) => step.kind !== "fence" || !endedInDisorder(byName(world, step.database)));
        expect({ ...hasty, steps: but(hasty) }).toEqual({ ...full, steps: but(full) });
        expect(hasty.steps).toEqual(expect.arrayContaining([...full.steps]));
      }),
      runs,
    );
  });

  it("comes to its end also so, where it knows what it has told itself", () => {
    fc.assert(
      fc.property(soundWorld, goals, (start, goal) => {
        const world = structuredClone(start);
        const told = new Set<DatabaseName>();
        for (let round = 0; round < 10; round++) {
          const [step] = plan(observeInHaste(world, told), goal).steps;
          if (!step) return;
          apply(world, step, goal.transitionId);
          if (step.kind === "fence") told.add(step.database);
        }
        throw new Error(`no end: ${JSON.stringify(world)}`);
      }),
      runs,
    );
  });

  it("refuses with a reason and a way out, or plans, never both", () => {
    fc.assert(
      fc.property(anyWorld, goals, (world, goal) => {
        const { steps, refused } = plan(observeWorld(world), goal);
        expect(steps.length === 0 || refused.length === 0).toBe(true);
        for (const { reason, remedy } of refused) {
          expect(reason.length).toBeGreaterThan(10);
          expect(remedy).toMatch(/^[A-Z].*[.;]$/);
        }
      }),
      runs,
    );
  });

  it("fences before it promotes: whoever can be reached may only come back as a standby", () => {
    fc.assert(
      fc.property(anyWorld, goals, (world, goal) => {
        for (const step of firstStep(world, goal)) {
          if (step.kind !== "promote") continue;
          const other = otherOf(world, step.database);
          if (!other.reachable || other.container === "missing") continue;
          expect(other.intentRole).not.toBe("primary");
          expect(
            other.container === "stopped" || other.postgres === "standby" || other.postgres === "closed",
          ).toBe(true);
        }
      }),
      runs,
    );
  });

  it("gives the same plan for the same observation", () => {
    fc.assert(
      fc.property(anyWorld, goals, (world, goal) => {
        expect(plan(observeWorld(world), goal)).toEqual(plan(observeWorld(structuredClone(world)), goal));
      }),
      { numRuns: 1000 },
    );
  });

  it("reaches the goal from a healthy deployment, whatever was promoted before", () => {
    for (const writable of ["shared", "read-only"] as const)
      for (const transition of transitions) {
        const world = healthy(writable);
        const goal: Goal = {
          transition,
          transitionId: "CHG-9",
          allowDataLoss: false,
          primaryIsDown: false,
          keepDiverged: true,
          readUnsentWal: true,
        };
        let { steps, refused } = plan(observeWorld(world), goal);
        while (steps[0]) {
          apply(world, steps[0], goal.transitionId);
          ({ steps, refused } = plan(observeWorld(world), goal));
        }
        const possible =
          transition === "promote"
            ? writable === "shared"
            : transition === "restore"
              ? writable === "read-only"
              : writable === "shared";
        expect(refused.length === 0).toBe(possible);
        const expected =
          possible && transition !== "rebuild"
            ? transition === "promote"
              ? "read-only"
              : "shared"
            : writable;
        expect(
          databasesOf(world)
            .filter(isWritable)
            .map(({ name }) => name),
        ).toEqual([expected]);
        expect(streams(world, otherOf(world, expected))).toBe(true);
      }
  });
});

function firstStep(world: World, goal: Goal): readonly Step[] {
  return plan(observeWorld(world), goal).steps.slice(0, 1);
}

function preconditionHolds(world: World, step: Step): boolean {
  switch (step.kind) {
    case "switch-over": {
      const from = byName(world, step.from);
      const to = byName(world, step.to);
      return (
        from.reachable &&
        to.reachable &&
        isWritable(from) &&
        streams(world, to) &&
        !to.replayPaused &&
        from.timeline === to.timeline
      );
    }
    case "promote": {
      const target = byName(world, step.database);
      return (
        target.reachable &&
        target.container === "running" &&
        target.postgres === "standby" &&
        !target.replayPaused
      );
    }
    case "fence":
      return byName(world, step.database).reachable && byName(world, step.database).container !== "missing";
    case "follow": {
      const upstream = byName(world, step.upstream);
      const database = byName(world, step.database);
      return (
        upstream.reachable &&
        isWritable(upstream) &&
        database.reachable &&
        database.container !== "missing" &&
        !isWritable(database)
      );
    }
    case "copy": {
      const upstream = byName(world, step.upstream);
      const database = byName(world, step.database);
      return upstream.reachable && isWritable(upstream) && database.reachable && !isWritable(database);
    }
    case "record-intent":
      return byName(world, step.database).reachable && isWritable(byName(world, step.database));
  }
}
