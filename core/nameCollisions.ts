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

/** What of it bears the labels of the stack, containers first: what of them runs is what people know. */
export function ofStack(topology: Topology, found: readonly Named[]): readonly Named[] {
  const kinds = ["container", "volume"];
  return found
    .filter(({ kind, labels }) => kinds.includes(kind) && isOwn(topology, labels))
    .sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || (a.name < b.name ? -1 : 1));
}

/**
 * Why a stack of which the state knows nothing must not be deployed: an engine has containers or volumes of one of its
 * name, which another state knows, with the keys to what is in them. Undefined where it has none.
 *
 * @param found what bears the labels of this stack
 */
export function sameNameProblem(
  { stack }: Topology,
  host: Host,
  found: readonly Pick<Named, "kind" | "name">[],
): Problem | undefined {
  const [first, ...others] = found;
  if (first === undefined) return undefined;
  const more = others.length > 0 ? ` and ${others.length} more` : "";
  return {
    path: `host ${host.name}`,
    reason: `has a stack named ${stack} already, of which this state knows nothing (${first.kind} ${first.name}${more})`,
    remedy: `Use the state that it was deployed with (PULUMI_BACKEND_URL), or give this one another name: "npm run up -- --stack NAME". ${wayOutOf(stack, found)}`,
    isDangerous: true,
  };
}

/** Without its state nobody has the passwords and the key of a stack: what is in its volumes stays closed. */
function wayOutOf(stack: string, found: readonly Pick<Named, "kind">[]): string {
  const remove = (command: string, list: string) =>
    `"docker ${command} $(docker ${list} --quiet --filter label=pg-continuity.stack=${stack})"`;
  const commands = [
    ...(found.some(({ kind }) => kind === "container") ? [remove("rm --force", "ps --all")] : []),
    ...(found.some(({ kind }) => kind === "volume") ? [remove("volume rm", "volume ls")] : []),
  ];
  return `Where that state is lost, and its data is not needed any more, remove what it has left: ${commands.join(", then ")}.`;
}

function isOwn({ project, stack }: Topology, labels: Named["labels"]): boolean {
  return labels["pg-continuity.project"] === project && labels["pg-continuity.stack"] === stack;
}

function ownerOf(labels: Named["labels"]): string {
  const [project, stack] = [labels["pg-continuity.project"], labels["pg-continuity.stack"]];
  return project === undefined ? "" : ` (it belongs to project ${project}, stack ${stack})`;
}
