import type Docker from "dockerode";
import { allContainers, type Host, type Topology } from "../../core/topology.ts";
import { isStatus } from "../docker/container.ts";
import { connectEngine, lookAtEngine } from "../docker/engine.ts";
import { messageOf } from "../observe/container.ts";

/** What an engine no longer has of a stack. */
export interface Missing {
  readonly kind: "container" | "network";
  readonly name: string;
}

/** What the engines of a stack no longer have of it: containers and networks that somebody has removed. */
export async function missingOf(topology: Topology): Promise<readonly Missing[]> {
  const found = await Promise.all(topology.hosts.map((host) => missingOn(host, topology)));
  return found.flat();
}

async function missingOn(host: Host, topology: Topology): Promise<readonly Missing[]> {
  const engine = lookAtEngine(host.docker);
  let containers: Set<string>;
  let networks: Set<string>;
  try {
    const [listed, known] = await Promise.all([engine.listContainers({ all: true }), engine.listNetworks()]);
    containers = new Set(listed.flatMap(({ Names }) => Names.map((name) => name.slice(1))));
    networks = new Set(known.map(({ Name }) => Name));
  } catch {
    // An engine that does not answer: the status says so, and nothing can be said of what it has.
    return [];
  }
  const nodes = allContainers(topology).filter((node) => node.host.name === host.name);
  return [
    ...(networks.has(host.network) ? [] : [{ kind: "network" as const, name: host.network }]),
    ...nodes
      .filter(({ containerName }) => !containers.has(containerName))
      .map(({ containerName }) => ({ kind: "container" as const, name: containerName })),
  ];
}

/**
 * Connects the stack's containers to their network again and starts those that were stopped. A database asks its guard
 * before it opens, so that to start it is without risk.
 *
 * @param isSilent hosts that are left alone, because they do not answer
 * @param tell is given a sentence for each thing done
 * @returns what could not be done, one sentence each
 */
export async function reviveContainers(
  topology: Topology,
  isSilent: (host: Host) => boolean,
  tell: (done: string) => void,
): Promise<readonly string[]> {
  const failures = await Promise.all(
    allContainers(topology).map(async ({ node, host, containerName }) => {
      if (isSilent(host)) return [];
      const engine = connectEngine(host.docker);
      try {
        await attach(engine, { node, network: host.network, containerName }, tell);
        const container = engine.getContainer(containerName);
        if ((await container.inspect()).State.Running) return [];
        await container.start();
        tell(`started ${containerName}`);
        return [];
      } catch (error) {
        return [`${containerName}: ${messageOf(error)}`];
      }
    }),
  );
  return failures.flat();
}

async function attach(
  engine: Docker,
  { node, network, containerName }: { node: string; network: string; containerName: string },
  tell: (done: string) => void,
): Promise<void> {
  const container = engine.getContainer(containerName);
  const [{ State, NetworkSettings }, { Id }] = await Promise.all([
    container.inspect(),
    engine.getNetwork(network).inspect() as Promise<{ Id: string }>,
  ]);
  const endpoint = NetworkSettings.Networks[network];
  if (endpoint?.NetworkID === Id && (!State.Running || endpoint.IPAddress !== "")) return;
  if (endpoint) await disconnect(engine, network, containerName);
  await engine.getNetwork(network).connect({ Container: containerName, EndpointConfig: { Aliases: [node] } });
  tell(`connected ${containerName} to the network ${network}`);
}

/** The engine may know nothing of an endpoint that the container still lists. */
async function disconnect(engine: Docker, network: string, containerName: string): Promise<void> {
  try {
    await engine.getNetwork(network).disconnect({ Container: containerName, Force: true });
  } catch (error) {
    if (!isStatus(error, 404) && !messageOf(error).includes("is not connected")) throw error;
  }
}
