import type { Problem } from "../core/problems.ts";
import { configNamespace } from "../core/settings.ts";
import type { Host, Topology } from "../core/topology.ts";
import { connectEngine } from "./docker/engine.ts";
import { readIntent } from "./node/intentFile.ts";

/**
 * A change of the model must not remove the one database that accepts writes: after a promotion that is the read-only
 * one. Looked up in the containers themselves, because the config no longer names what it would remove.
 *
 * @throws what the engine's client throws when it does not answer
 */
export async function removalProblems(host: Host, topology: Topology): Promise<readonly Problem[]> {
  const engine = connectEngine(host.docker);
  const wanted = new Set<string>(topology.databases.map(({ node }) => node));
  const containers = await engine.listContainers({
    all: true,
    filters: {
      label: [`pg-continuity.project=${topology.project}`, `pg-continuity.stack=${topology.stack}`],
    },
  });
  const problems: Problem[] = [];
  for (const { Id, Labels } of containers) {
    const node = Labels?.["pg-continuity.node"] ?? "";
    if (!node.endsWith("-database") || wanted.has(node)) continue;
    const intent = await readIntent(engine.getContainer(Id));
    if (intent?.role !== "primary") continue;
    problems.push({
      path: `${configNamespace}:model`,
      value: JSON.stringify(topology.model),
      reason: `would remove ${node}, which is the writable database since transition ${intent.transitionId}: it holds the only current data`,
      remedy:
        'Go back to the shared database first: "pulumi config set transition restore" with the model as it was. Then change the model.',
    });
  }
  return problems;
}
