import { describe, expect, it } from "vitest";
import { ofStack, sameNameProblem } from "../../core/nameCollisions.ts";
import { renderProblems } from "../../core/problems.ts";
import { topologyOf } from "../support/fixtures.ts";

describe("a stack that was never deployed", () => {
  const topology = topologyOf();
  const [host] = topology.hosts;
  if (!host) throw new Error("a topology without a host");

  it("must not be where another state has one of its name", () => {
    const labels = { "pg-continuity.project": "pg-continuity", "pg-continuity.stack": "unit" };
    const found = ofStack(topology, [
      { kind: "volume", name: "pg-continuity-unit-gateway-state", labels },
      { kind: "container", name: "pg-continuity-unit-shared-database", labels },
      { kind: "container", name: "pg-continuity-unit-gateway", labels },
      { kind: "container", name: "of-another", labels: { ...labels, "pg-continuity.stack": "other" } },
    ]);
    const problem = sameNameProblem(topology, host, found);
    expect(renderProblems(problem ? [problem] : [])).toMatch(
      /^host local: REFUSED: has a stack named unit already, of which this state knows nothing \(container pg-continuity-unit-gateway and 2 more\)\. Use the state that it was deployed with \(PULUMI_BACKEND_URL\), or give this one another name/,
    );
  });

  it("nor where it has left volumes, which nothing but that state opens", () => {
    const left = [{ kind: "volume" as const, name: "pg-continuity-unit-shared-database-data" }];
    const said = sameNameProblem(topology, host, left);
    expect([said?.reason, said?.remedy]).toEqual([
      expect.stringContaining("(volume pg-continuity-unit-shared-database-data)"),
      expect.stringMatching(
        /Where that state is lost, and its data is not needed any more, remove what it has left: "docker volume rm \$\(docker volume ls --quiet --filter label=pg-continuity\.stack=unit\)"\.$/,
      ),
    ]);
  });

  it("may be where there is none", () => {
    expect(sameNameProblem(topology, host, [])).toBeUndefined();
  });
});
