import { statfs } from "node:fs/promises";
import type Docker from "dockerode";
import { type Named, nameCollisions, ofStack, sameNameProblem } from "../core/nameCollisions.ts";
import { type Problem, ProblemsError } from "../core/problems.ts";
import type { Settings } from "../core/settings.ts";
import type { Host, Topology } from "../core/topology.ts";
import { lookAtEngine } from "./docker/engine.ts";
import { memoryLimitProblems } from "./memoryLimit.ts";
import { messageOf } from "./observe/container.ts";
import { portProblems } from "./ports.ts";
import { givenUpProblem, removalProblems } from "./removal.ts";

/** Free space, in bytes, below which nothing new is started: images, data and WAL need room to grow. */
const minimumFreeBytes = 2 * 1024 ** 3;

/** Free space, in bytes, of the file system that a folder lies on. */
type FreeSpace = (folder: string) => Promise<number>;

const freeSpace: FreeSpace = async (folder) => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/** What the preflight is told besides what is wanted. */
export interface PreflightOptions {
  readonly isPreview?: boolean;
  readonly measure?: FreeSpace;
  /** Whether the state knows the stack: then what bears its name is its own. Asked only where something does. */
  readonly isKnown?: () => Promise<boolean>;
}

/**
 * Looks, changing nothing, whether the deployment can be applied: engines answer, nobody else has its name, published
 * ports are free or held by the stack itself, the disk has room. Reads only.
 *
 * @returns warnings, where the deployment can go on without the part (a host of several that does not answer)
 * @throws ProblemsError with everything that is in the way, before anything is changed
 */
export async function preflight(
  topology: Topology,
  settings: Pick<Settings, "publishedAddress" | "resources">,
  options: PreflightOptions = {},
): Promise<readonly string[]> {
  const [engines, left, memory, givenUp] = await Promise.all([
    Promise.all(
      topology.hosts.map(async (host) => ({
        host,
        ...(await inspectEngine(host, topology, settings, options)),
      })),
    ),
    Promise.all(topology.idleHosts.map((host) => leavingProblems(host, topology))),
    memoryLimitProblems(topology, settings.resources.database.memoryMegabytes),
    givenUpProblem(topology),
  ]);
  const taken = engines.flatMap(({ sameName }) => sameName ?? []);
  // Whatever else is in the way there is not this stack's matter.
  if (taken.length > 0 && options.isKnown && !(await options.isKnown())) throw new ProblemsError(taken);
  const silent = engines.filter(({ reachable }) => !reachable);
  const problems: Problem[] = [...engines.flatMap(({ problems: found }) => found), ...left.flat(), ...memory];
  if (givenUp) problems.push({ ...givenUp, isDangerous: true });
  // A preview shows the graph also from where no engine can be reached.
  if (silent.length === engines.length && !options.isPreview) {
    for (const { host, reason } of silent)
      problems.push({
        path: `host ${host.name}`,
        value: host.docker,
        reason: `does not answer (${reason})`,
        remedy:
          'Start the Docker engine there ("npm run setup" does it on this machine), or correct pg-continuity:hosts.',
      });
  }
  if (problems.length > 0) throw new ProblemsError(problems);
  return silent.map(
    ({ host, reason }) =>
      `host ${host.name} (${host.docker}) does not answer: ${reason}. Its resources are left as they are.`,
  );
}

interface EngineReport {
  readonly reachable: boolean;
  readonly reason?: string;
  readonly problems: readonly Problem[];
  /** Something bears the stack's name: a problem where its state does not know it. */
  readonly sameName?: Problem | undefined;
}

/** What must not leave a host that nothing is placed on any more. One that does not answer has nothing to say. */
async function leavingProblems(host: Host, topology: Topology): Promise<readonly Problem[]> {
  try {
    const problems = await removalProblems(host, topology);
    return problems.map((problem) => ({ ...problem, isDangerous: true as const }));
  } catch {
    return [];
  }
}

async function inspectEngine(
  host: Host,
  topology: Topology,
  { publishedAddress }: Pick<Settings, "publishedAddress">,
  { measure = freeSpace }: PreflightOptions,
): Promise<EngineReport> {
  const engine = lookAtEngine(host.docker);
  try {
    const [info, containers, named] = await Promise.all([
      engine.info(),
      engine.listContainers(),
      listNames(engine),
    ]);
    const local = host.docker.startsWith("unix://");
    const sameName = sameNameProblem(topology, host, ofStack(topology, named));
    const problems = [...nameCollisions(topology, host, named)];
    problems.push(...(await portProblems(topology, host, { containers, local, publishedAddress })));
    const removal = await removalProblems(host, topology);
    problems.push(...removal.map((problem) => ({ ...problem, isDangerous: true as const })));
    if (local) problems.push(...(await diskProblems(host, String(info.DockerRootDir), measure)));
    return { reachable: true, problems, sameName };
  } catch (error) {
    return { reachable: false, reason: messageOf(error), problems: [] };
  }
}

/** Every container, stopped ones too, network and volume that an engine has. */
async function listNames(engine: Docker): Promise<readonly Named[]> {
  const [containers, networks, { Volumes: volumes }] = await Promise.all([
    engine.listContainers({ all: true }),
    engine.listNetworks(),
    engine.listVolumes(),
  ]);
  return [
    ...containers.map(({ Names, Labels }) => ({
      kind: "container" as const,
      name: (Names[0] ?? "").slice(1),
      labels: Labels ?? {},
    })),
    ...networks.map(({ Name, Labels }) => ({ kind: "network" as const, name: Name, labels: Labels ?? {} })),
    ...(volumes ?? []).map(({ Name, Labels }) => ({
      kind: "volume" as const,
      name: Name,
      labels: Labels ?? {},
    })),
  ];
}

async function diskProblems(host: Host, folder: string, measure: FreeSpace): Promise<Problem[]> {
  const free = await measure(folder);
  if (free >= minimumFreeBytes) return [];
  return [
    {
      path: `host ${host.name}`,
      reason: `has ${Math.floor(free / 1024 ** 2)} MB free where Docker keeps its data (${folder}), at least ${minimumFreeBytes / 1024 ** 2} MB are needed`,
      remedy: 'Make room there: "docker system df" shows what uses it.',
    },
  ];
}
