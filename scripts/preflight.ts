import { statfs } from "node:fs/promises";
import { createServer } from "node:net";
import type Docker from "dockerode";
import { type Named, nameCollisions } from "../core/nameCollisions.ts";
import { type Problem, ProblemsError } from "../core/problems.ts";
import { allNodes, type Host, type Topology } from "../core/topology.ts";
import { connectEngine } from "./docker/engine.ts";
import { memoryLimitProblems } from "./memoryLimit.ts";
import { messageOf } from "./observe/container.ts";
import { givenUpProblem, removalProblems } from "./removal.ts";

/** Free space, in bytes, below which nothing new is started: images, data and WAL need room to grow. */
const minimumFreeBytes = 2 * 1024 ** 3;

/** Free space, in bytes, of the file system that a folder lies on. */
type FreeSpace = (folder: string) => Promise<number>;

const freeSpace: FreeSpace = async (folder) => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/**
 * Looks, changing nothing, whether the deployment can be applied: engines answer, published ports are free or held
 * by the stack itself, the disk has room. Reads only.
 *
 * @returns warnings, where the deployment can go on without the part (a host of several that does not answer)
 * @throws ProblemsError with everything that is in the way, before anything is changed
 */
export async function preflight(
  topology: Topology,
  options: {
    readonly isPreview?: boolean;
    readonly measure?: FreeSpace;
    /** The memory limit of databases, in megabytes. */
    readonly databaseMemory?: number | undefined;
  } = {},
): Promise<readonly string[]> {
  const engines = await Promise.all(
    topology.hosts.map(async (host) => ({
      host,
      ...(await inspectEngine(host, topology, options.measure ?? freeSpace)),
    })),
  );
  const silent = engines.filter(({ reachable }) => !reachable);
  const problems: Problem[] = engines.flatMap(({ problems: found }) => found);
  problems.push(...(await memoryLimitProblems(topology, options.databaseMemory)));
  const givenUp = await givenUpProblem(topology);
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
}

async function inspectEngine(host: Host, topology: Topology, measure: FreeSpace): Promise<EngineReport> {
  const engine = connectEngine(host.docker);
  try {
    const [info, containers, named] = await Promise.all([
      engine.info(),
      engine.listContainers(),
      listNames(engine),
    ]);
    const own = new Set(allNodes(topology).map(({ containerName }) => `/${containerName}`));
    const held = new Map<number, string>();
    const ownPorts = new Set<number>();
    for (const { Names, Ports } of containers)
      for (const { PublicPort } of Ports) {
        if (PublicPort === undefined) continue;
        if (Names.some((name) => own.has(name))) ownPorts.add(PublicPort);
        else held.set(PublicPort, `container ${(Names[0] ?? "").slice(1)}`);
      }
    const local = host.docker.startsWith("unix://");
    const problems = [...nameCollisions(topology, host, named)];
    problems.push(...(await portProblems(topology, host, { held, ownPorts, local })));
    const removal = await removalProblems(host, topology);
    problems.push(...removal.map((problem) => ({ ...problem, isDangerous: true as const })));
    if (local) problems.push(...(await diskProblems(host, String(info.DockerRootDir), measure)));
    return { reachable: true, problems };
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

async function portProblems(
  topology: Topology,
  host: Host,
  engine: {
    readonly held: ReadonlyMap<number, string>;
    readonly ownPorts: ReadonlySet<number>;
    readonly local: boolean;
  },
): Promise<Problem[]> {
  const wanted = [
    ...allNodes(topology).map((node) => ({ name: node.node, host: node.host.name, ...node.published })),
    { name: "gatewayStatistics", host: topology.gateway.host.name, ...topology.gateway.statistics },
  ].filter((port) => port.host === host.name && !engine.ownPorts.has(port.port));
  const problems = await Promise.all(
    wanted.map(async ({ name, address, port }): Promise<Problem[]> => {
      const holder =
        engine.held.get(port) ?? (engine.local ? await localHolder(host, address, port) : undefined);
      if (holder === undefined) return [];
      return [
        {
          path: `pg-continuity:ports.${name}`,
          value: String(port),
          reason: `is taken on host ${host.name} by ${holder}`,
          remedy: `Free it, or choose another: "pulumi config set --path 'ports.${name}' PORT".`,
        },
      ];
    }),
  );
  return problems.flat();
}

/** Who holds a port of this machine that cannot be listened on; undefined where it is free, or cannot be known. */
function localHolder(host: Host, address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve("another program of this machine");
      // The host's own address is not here: the socket leads to an engine somewhere else (a VM, a namespace).
      else if (error.code === "EADDRNOTAVAIL" && address === host.address) resolve(undefined);
      else resolve(`nobody, but ${error.code ?? error.message}`);
    });
    probe.listen({ host: address, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
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
