import { describe, expect, it } from "vitest";
import { known } from "../../core/observation.ts";
import {
  type Generations,
  orderProblem,
  orderProblems,
  planRotation,
  planRotations,
  type Rotatable,
} from "../../core/rotation.ts";
import { findingsAgainst, rotationFindings } from "../../core/rotationFindings.ts";
import { judge } from "../../core/status.ts";
import { healthyObservation, topologyOf } from "../support/fixtures.ts";

const lists = (applied: Generations, wanted: Generations) =>
  planRotation(applied, wanted).map(({ generations }) => generations.join());

describe("a rotation", () => {
  it.each<[what: string, applied: Generations, wanted: Generations, steps: string[]]>([
    ["announces, uses, retires", [1], [1], ["1,2", "2,1", "2"]],
    ["counts on", [7], [7], ["7,8", "8,7", "8"]],
    ["that was announced is used next", [1, 2], [1, 2], ["2,1", "2"]],
    ["that is in use is only to be retired", [2, 1], [2, 1], ["2"]],
    ["whose first step was interrupted takes it again", [1], [1, 2], ["1,2", "2,1", "2"]],
    ["whose second step was interrupted takes it again", [1, 2], [2, 1], ["2,1", "2"]],
    ["whose last step was interrupted is not begun anew", [2, 1], [2], ["2"]],
    ["that was announced and taken back is only finished", [1, 2], [1], ["1"]],
  ])("%s", (_what, applied, wanted, steps) => {
    expect(lists(applied, wanted)).toEqual(steps);
  });

  it("in no step, with whatever nodes it has reached, uses what another node refuses", () => {
    let before: Generations = [1];
    for (const { generations: after } of planRotation([1], [1])) {
      expect(orderProblem("key", before, after)).toBeUndefined();
      for (const [used] of [before, after])
        for (const accepted of [before, after]) expect(accepted).toContain(used);
      before = after;
    }
    expect(before).toEqual([2]);
  });

  it.each<[before: Generations, after: Generations, reason: string]>([
    [[1], [2], "2 would be used before every node accepts it"],
    [[1], [2, 1], "2 would be used before every node accepts it"],
    [[1, 2], [2], "1 would be refused while nodes still use it"],
    [[2, 1], [3], "3 would be used before every node accepts it"],
    [[2, 1], [1, 2], "they only count upwards"],
    [[2], [1], "they only count upwards"],
  ])("%j must not be followed by %j", (before, after, reason) => {
    expect(orderProblem("passwords", before, after)).toBe(
      `passwords: generation [${before.join(", ")}] must not be followed by [${after.join(", ")}]: ${reason}. Let "npm run rotate -- passwords" take the steps, or set credentials.passwords as they are listed in docs/security.md.`,
    );
  });

  it("of several kinds takes the steps of all together, and finishes one that was interrupted on the way", () => {
    const applied = { passwords: [1], certificates: [1, 2], key: [4], token: [1] } as const;
    const wanted = { ...applied, passwords: [1, 2] } as const;
    const steps = planRotations(["passwords", "certificates", "key"], applied, wanted);
    expect(steps.map((changes) => changes.map(({ kind, generations }) => `${kind} ${generations}`))).toEqual([
      ["passwords 1,2", "certificates 2,1", "key 4,5"],
      ["passwords 2,1", "certificates 2", "key 5,4"],
      ["passwords 2", "key 5"],
    ]);
  });

  it("that was left between its steps is a finding, with the command that finishes it", () => {
    expect(rotationFindings({ passwords: [1], certificates: [1, 2], key: [3, 2], token: [7] })).toEqual([
      {
        subject: "rotation of certificates",
        problem: "is not finished: generation 2 is announced, 1 is still in use",
        remedy: "Finish it: npm run rotate -- certificates",
      },
      {
        subject: "rotation of key",
        problem: "is not finished: generation 3 is in use, 2 is still accepted",
        remedy: "Finish it: npm run rotate -- key",
      },
    ]);
  });

  it("is not kept from beginning by what it sets right: certificates that soon end", () => {
    const topology = topologyOf();
    const ending = (of: string, expiresAt: string) => {
      const observation = {
        ...healthyObservation(topology),
        certificates: [{ of, seen: known({ expiresAt, problem: null }) }],
      };
      return { observation, status: judge(topology, observation) };
    };
    const left = (kinds: readonly Rotatable[], { observation, status }: ReturnType<typeof ending>) =>
      findingsAgainst(kinds, status.findings, observation).map(({ subject }) => subject);
    // Observed on 2 January 2026.
    const soon = ending("gateway", "2026-01-20T00:00:00.000Z");
    expect(soon.status.verdict).not.toBe("ok");
    expect(left(["certificates"], soon)).toEqual([]);
    expect(left(["key", "certificates"], soon)).toEqual([]);
    expect(left(["key"], soon)).toEqual(["certificate of gateway"]);
    expect(left(["certificates"], ending("gateway", "2026-01-01T00:00:00.000Z"))).toEqual([
      "certificate of gateway",
    ]);
    expect(left(["certificates"], ending("gateway-clients", "2026-01-20T00:00:00.000Z"))).toEqual([
      "certificate that the gateway shows to clients",
    ]);
    const { observation } = soon;
    const gone = { ...observation, gateway: known({ state: "missing" as const }) };
    expect(left(["certificates"], { observation: gone, status: judge(topology, gone) })).toEqual(["gateway"]);
  });

  it("an older one can be accepted again, as for what was read from a backup", () => {
    expect(orderProblem("key", [3], [3, 1])).toBeUndefined();
    expect(lists([3, 1], [3, 1])).toEqual(["3"]);
  });

  it("is looked at for all kinds at once", () => {
    const before = { passwords: [1], certificates: [1], key: [1], token: [1] } as const;
    expect(orderProblems(before, { ...before, key: [1, 2] })).toEqual([]);
    expect(orderProblems(before, { ...before, key: [2], token: [2, 1] })).toEqual([
      expect.stringContaining("key: generation [1] must not be followed by [2]"),
      expect.stringContaining("token: generation [1] must not be followed by [2, 1]"),
    ]);
  });

  it("can be taken back while it is only announced", () => {
    expect(orderProblem("certificates", [1, 2], [1])).toBeUndefined();
  });
});
