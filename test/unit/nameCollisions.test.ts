import { describe, expect, it } from "vitest";
import { sameNameProblem } from "../../core/nameCollisions.ts";
import { renderProblems } from "../../core/problems.ts";
import { topologyOf } from "../support/fixtures.ts";

describe("a stack that was never deployed", () => {
  const topology = topologyOf();
  const [host] = topology.hosts;
  if (!host) throw new Error("a topology without a host");

  it("must not be where another state has one of its name", () => {
    const problem = sameNameProblem(topology, host, [
      "pg-continuity-unit-shared-database",
      "pg-continuity-unit-gateway",
    ]);
    expect(renderProblems(problem ? [problem] : [])).toMatch(
      /^host local: REFUSED: has a stack named unit already, of which this state knows nothing \(container pg-continuity-unit-gateway and 1 more\)\. Use the state that it was deployed with \(PULUMI_BACKEND_URL\), or give this one another name/,
    );
  });

  it("may be where there is none", () => {
    expect(sameNameProblem(topology, host, [])).toBeUndefined();
  });
});
