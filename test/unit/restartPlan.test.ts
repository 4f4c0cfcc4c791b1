import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  forEach,
  type OrderedParameters,
  orderedParameters,
  planRestarts,
  type RestartView,
} from "../../core/restartPlan.ts";

const values = (max_connections: number, max_worker_processes = 8): OrderedParameters => ({
  ...forEach(() => 10),
  max_connections,
  max_worker_processes,
});
const view = (node: string, running: OrderedParameters | undefined, isPending = false): RestartView => ({
  node,
  running,
  isPending,
});

/** The restarts alone, as "node max_connections/max_worker_processes". */
function restarts(
  primary: RestartView,
  standby: RestartView | undefined,
  wanted: OrderedParameters,
): string[] {
  return planRestarts(primary, standby, wanted)
    .filter(({ restart }) => restart)
    .map(
      ({ node, values, afterReplay }) =>
        `${node} ${values.max_connections}/${values.max_worker_processes}${afterReplay ? " after replay" : ""}`,
    );
}

describe("the order of restarts", () => {
  it.each<[what: string, before: OrderedParameters, wanted: OrderedParameters, expected: string[]]>([
    ["nothing to do", values(200), values(200), []],
    ["raised on the standby first", values(200), values(300), ["standby 300/8", "primary 300/8"]],
    [
      "lowered on the primary first",
      values(200),
      values(100),
      ["primary 100/8", "standby 100/8 after replay"],
    ],
    [
      "one raised, one lowered: the standby has the higher of both meanwhile",
      values(200, 8),
      values(100, 16),
      ["standby 200/16", "primary 100/16", "standby 100/16 after replay"],
    ],
  ])("%s", (_what, before, wanted, expected) => {
    expect(restarts(view("primary", before), view("standby", before), wanted)).toEqual(expected);
  });

  it("restarts also for other parameters, the standby first", () => {
    const same = values(200);
    expect(restarts(view("primary", same, true), view("standby", same, true), same)).toEqual([
      "standby 200/8",
      "primary 200/8",
    ]);
  });

  it("starts again what does not run", () => {
    expect(restarts(view("primary", values(200)), view("standby", undefined), values(200))).toEqual([
      "standby 200/8",
    ]);
  });

  it("without a replica there is only the primary", () => {
    expect(restarts(view("primary", values(200)), undefined, values(300))).toEqual(["primary 300/8"]);
  });

  it("never leaves a standby with less than its primary, and ends with what is wanted, begun again after any step", () => {
    const some = fc.record(
      Object.fromEntries(orderedParameters.map((name) => [name, fc.integer({ min: 1, max: 4 })])),
    ) as unknown as fc.Arbitrary<OrderedParameters>;
    fc.assert(
      fc.property(some, some, fc.nat(3), (before, wanted, killedAfter) => {
        const runs = { primary: before, standby: before };
        const go = (limit: number) => {
          const steps = planRestarts(view("primary", runs.primary), view("standby", runs.standby), wanted);
          for (const step of steps.slice(0, limit)) {
            if (!step.restart) continue;
            runs[step.node as "primary" | "standby"] = step.values;
            for (const name of orderedParameters)
              expect(runs.standby[name]).toBeGreaterThanOrEqual(runs.primary[name]);
          }
        };
        go(killedAfter);
        go(3);
        expect(runs).toEqual({ primary: wanted, standby: wanted });
      }),
    );
  });
});
