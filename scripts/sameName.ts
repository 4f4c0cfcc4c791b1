import { z } from "zod";
import { sameNameProblem } from "../core/nameCollisions.ts";
import { type Problem, ProblemsError } from "../core/problems.ts";
import { deriveTopology, type Host, type Topology } from "../core/topology.ts";
import { projectName, pulumi } from "./cli/pulumi.ts";
import { connectEngine } from "./docker/engine.ts";
import { readSettings } from "./rotate/config.ts";

const stateSchema = z.object({
  deployment: z.object({ resources: z.array(z.object({ type: z.string() })).optional() }),
});

/**
 * What runs under the stack's name although nothing of it is in the state: somebody deployed it with another state. By
 * names and labels the two cannot be told apart, so they must never meet. Only reads; an engine that does not answer is
 * left to the preflight.
 */
export async function sameNameProblems(topology: Topology): Promise<readonly Problem[]> {
  const exported = await pulumi(["stack", "export"], { stack: topology.stack });
  const { resources = [] } = stateSchema.parse(JSON.parse(exported)).deployment;
  if (resources.some(({ type }) => type.startsWith("docker:"))) return [];
  const found = await Promise.all(
    topology.hosts.map(async (host) => sameNameProblem(topology, host, await containersOf(topology, host))),
  );
  return found.filter((problem) => problem !== undefined);
}

/**
 * The same before a first deployment.
 *
 * @throws ProblemsError where the name is taken
 */
export async function refuseSameName(stack: string): Promise<void> {
  const problems = await sameNameProblems(deriveTopology(projectName, stack, await readSettings(stack)));
  if (problems.length > 0) throw new ProblemsError(problems);
}

async function containersOf({ project, stack }: Topology, host: Host): Promise<readonly string[]> {
  const label = [`pg-continuity.project=${project}`, `pg-continuity.stack=${stack}`];
  try {
    const containers = await connectEngine(host.docker).listContainers({ all: true, filters: { label } });
    return containers.map(({ Names }) => (Names[0] ?? "").slice(1));
  } catch (error) {
    process.stderr.write(
      `host ${host.name}: whether a stack of this name runs there already is not known (${error instanceof Error ? error.message : String(error)})\n`,
    );
    return [];
  }
}
