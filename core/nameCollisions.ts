import type { Problem } from "./problems.ts";
import { allContainers, type Host, type Topology } from "./topology.ts";

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
  const nodes = allContainers(topology).filter((node) => node.host.name === host.name);
  const wanted = new Set([
    `network ${host.network}`,
    ...nodes.flatMap((node) => [
      `container ${node.containerName}`,
      `volume ${node.stateVolume}`,
      ...(node.kind === "database" || node.kind === "backup" ? [`volume ${node.dataVolume}`] : []),
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

/**
 * Why a stack that was never deployed must not be: an engine has containers of one of its name, which another state
 * knows. Undefined where it has none.
 *
 * @param containers names of those that bear the labels of this stack
 */
export function sameNameProblem(
  { stack }: Topology,
  host: Host,
  containers: readonly string[],
): Problem | undefined {
  const [first, ...others] = [...containers].sort();
  if (first === undefined) return undefined;
  const more = others.length > 0 ? ` and ${others.length} more` : "";
  return {
    path: `host ${host.name}`,
    reason: `has a stack named ${stack} already, of which this state knows nothing (container ${first}${more})`,
    remedy: `Use the state that it was deployed with (PULUMI_BACKEND_URL), or give this one another name: "npm run up -- --stack NAME". Where that state is lost, remove its containers; their volumes stay: "docker rm --force $(docker ps --all --quiet --filter label=pg-continuity.stack=${stack})".`,
    isDangerous: true,
  };
}

function isOwn({ project, stack }: Topology, labels: Named["labels"]): boolean {
  return labels["pg-continuity.project"] === project && labels["pg-continuity.stack"] === stack;
}

function ownerOf(labels: Named["labels"]): string {
  const [project, stack] = [labels["pg-continuity.project"], labels["pg-continuity.stack"]];
  return project === undefined ? "" : ` (it belongs to project ${project}, stack ${stack})`;
}
