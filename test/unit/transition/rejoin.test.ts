import { describe, expect, it } from "vitest";
import { asExpected, expectedRejoin, type Rejoin } from "../../../core/transition/rejoin.ts";
import { describeStep, otherOf, type Step } from "../../../core/transition/step.ts";
import { viewOf } from "../../../core/transition/view.ts";
import { observeWorld, type SimulatedDatabase } from "./world.ts";

const common = {
  container: "running",
  reachable: true,
  timeline: 2,
  lsn: 0x1000,
  transitionId: "CHG-1",
  cleanStop: false,
  replayPaused: false,
  systemId: "7",
} as const;
const primary: SimulatedDatabase = {
  ...common,
  name: "read-only",
  postgres: "writable",
  intentRole: "primary",
  upstream: undefined,
};
const stopped = { container: "stopped", postgres: "writable" } as const;

describe("how a database is expected to become a standby", () => {
  it.each<[what: string, Partial<SimulatedDatabase>, Rejoin["method"], reason: RegExp]>([
    ["it is one", { postgres: "standby" }, "as-is", /a standby already/],
    ["it is one of the timeline before", { postgres: "standby", timeline: 1 }, "as-is", /a standby already/],
    ["it is one of a later timeline", { postgres: "standby", timeline: 3 }, "unknown", /shows when/],
    ["it went on after the other was promoted", { timeline: 1 }, "rewind", /accepted writes on timeline 1/],
    ["it was stopped in order", { ...stopped, cleanStop: true }, "as-is", /in order, on the timeline/],
    [
      "it was stopped in order before the other was promoted",
      { ...stopped, cleanStop: true, timeline: 1 },
      "unknown",
      /in order at 0\/FFF on timeline 1; whether read-only has all of that shows when it is started/,
    ],
    ["it has crashed", stopped, "unknown", /how far its data went/],
    ["it was away too long", { ...stopped, walGone: true }, "base-backup", /not kept all that it needs/],
    ["it was a standby, away too long", { postgres: "standby", walGone: true }, "base-backup", /slotWalKeep/],
    ["it waits closed", { postgres: "closed" }, "unknown", /how far its data went/],
  ])("%s", (_, shared, method, reason) => {
    const database = { ...primary, name: "shared", ...shared } as const;
    const observation = observeWorld({ shared: database, readOnly: primary });
    const [view, upstream] = [viewOf(observation, "shared"), viewOf(observation, "read-only")];
    if (!view || !upstream) throw new Error("both are there");
    expect(expectedRejoin(view, upstream)).toEqual({ method, reason: expect.stringMatching(reason) });
  });
});

describe("a step in the words of an earlier plan", () => {
  const follow = (database: "shared" | "read-only", expected: Rejoin): Step => ({
    kind: "follow",
    database,
    upstream: otherOf(database),
    expected,
  });
  const unknown = follow("shared", { method: "unknown", reason: "it is starting" });
  const known = follow("shared", { method: "as-is", reason: "it ends in order" });

  it("keeps what was known before it started", () => {
    expect(asExpected(unknown, [known])).toEqual(known);
    expect(asExpected(unknown, [follow("read-only", { method: "as-is", reason: "x" })])).toEqual(unknown);
    expect(asExpected(known, [unknown])).toEqual(known);
  });

  it("names the ways that may have to be tried, the reason, and what that costs", () => {
    expect(describeStep(known)).toMatchObject({
      text: "shared follows read-only (as it is: it ends in order)",
      about: "1 s",
    });
    expect(describeStep(unknown)).toMatchObject({
      text: "shared follows read-only (as it is, else by pg_rewind, else by base backup: it is starting)",
      about: "1 s, or as long as a copy takes",
    });
    expect(describeStep(follow("shared", { method: "rewind", reason: "it wrote" })).text).toBe(
      "shared follows read-only (by pg_rewind, else by base backup: it wrote)",
    );
  });
});
