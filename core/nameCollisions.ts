import type { Problem } from "./problems.ts";
import { allNodes, type Host, type Topology } from "./topology.ts";

/** Something that an engine has, as far as its name goes. */
export interface Named {
  readonly kind: "container" | "network" | "volume";
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * What an engine has under a name that the stack needs, and that is not the stack's own. A volume is the worst of them:
 * Docker would take it as it is, with somebody else's data.
 */
export function nameCollisions(topology: Topology, host: Host, found: readonly Named[]): readonly Problem[] {
  const nodes = allNodes(topology).filter((node) => node.host.name === host.name);
  const wanted = new Set([
    `network ${host.network}`,
    ...nodes.flatMap((node) => [
      `container ${node.containerName}`,
      `volume ${node.stateVolume}`,
      ...(node.kind === "database" ? [`volume ${node.dataVolume}`] : []),
    ]),
  ]);
  return found
    .filter(({ kind, name, labels }) => wanted.has(`${kind} ${name}`) && !isOwn(topology, labels))
    .map(({ kind, name, labels }) => ({
      path: `host ${host.name}`,
      reason: `has a ${kind} named ${name} that does not belong to this stack${ownerOf(labels)}`,
      remedy: `Look whose it is ("docker ${kind} inspect ${name}"), then remove it, or give this stack another name.`,
    }));
}

function isOwn({ project, stack }: Topology, labels: Named["labels"]): boolean {
  return labels["pg-continuity.project"] === project && labels["pg-continuity.stack"] === stack;
}

function ownerOf(labels: Named["labels"]): string {
  const [project, stack] = [labels["pg-continuity.project"], labels["pg-continuity.stack"]];
  return project === undefined ? "" : ` (it belongs to project ${project}, stack ${stack})`;
}
