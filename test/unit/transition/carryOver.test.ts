import { describe, expect, it } from "vitest";
import type { Intent } from "../../../core/intent.ts";
import { carryOver, freshForMs } from "../../../core/transition/carryOver.ts";
import { plan } from "../../../core/transition/plan.ts";
import type { Goal, Step } from "../../../core/transition/step.ts";
import { apply, observeWorld, type SimulatedDatabase, type World } from "./world.ts";

const goal: Goal = {
  transition: "promote",
  transitionId: "CHG-2",
  allowDataLoss: true,
  primaryIsDown: false,
  keepDiverged: true,
  readUnsentWal: true,
};
const common = { timeline: 3, lsn: 0x1005, transitionId: "CHG-1", replayPaused: false, systemId: "7" };
const stopped: SimulatedDatabase = {
  ...common,
  name: "shared",
  container: "stopped",
  reachable: true,
  postgres: "closed",
  intentRole: "primary",
  upstream: undefined,
  cleanStop: false,
};
const standby: SimulatedDatabase = {
  ...stopped,
  name: "read-only",
  container: "running",
  postgres: "standby",
  intentRole: "standby",
  upstream: "shared",
};
const intent: Intent = {
  version: 1,
  role: "standby",
  upstream: "read-only",
  transitionId: "CHG-2",
  writtenAt: "2026-01-01T00:00:00.000Z",
};

describe("what is known after a fence of a database that was down and stayed down", () => {
  it.each([
    ["after a crash", false],
    ["after a stop in order", true],
  ])("leads to the plan that a second look leads to: %s", (_name, cleanStop) => {
    const world: World = { shared: { ...stopped, cleanStop }, readOnly: standby };
    const before = observeWorld(world);
    const [step] = plan(before, goal).steps;
    expect(step?.kind).toBe("fence");
    apply(world, step as Step, goal.transitionId);
    const carried = carryOver(before, { database: "shared", intent }, Date.parse(before.observedAt));
    expect(carried && plan(carried, goal)).toEqual(plan(observeWorld(world), goal));
    expect(carried && plan(carried, goal).steps.map(({ kind }) => kind)).toEqual(["promote", "follow"]);
  });

  it("is no more than that of another step, or of a moment ago", () => {
    const before = observeWorld({ shared: stopped, readOnly: standby });
    const now = Date.parse(before.observedAt);
    expect(carryOver(before, undefined, now)).toBeUndefined();
    expect(carryOver(before, { database: "shared", intent }, now + freshForMs + 1)).toBeUndefined();
  });
});
