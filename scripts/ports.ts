import { createServer } from "node:net";
import type Docker from "dockerode";
import type { Problem } from "../core/problems.ts";
import { allNodes, type Host, type Topology } from "../core/topology.ts";

/** As `publishedAddress` has it. */
const everyAddress = "0.0.0.0";

/** Who listens on a host. */
export interface Listening {
  /** Those that run. */
  readonly containers: readonly Docker.ContainerInfo[];
  /** Whether the engine is reached by a socket of this machine: then mostly it is on it. */
  readonly local: boolean;
  /** The address at which the stack's ports are published. */
  readonly publishedAddress: string | undefined;
}

/** Ports of the stack on a host that somebody else has: another container, or where that can be tried another program. */
export async function portProblems(
  topology: Topology,
  host: Host,
  { containers, local, publishedAddress }: Listening,
): Promise<Problem[]> {
  const own = new Set(allNodes(topology).map(({ containerName }) => `/${containerName}`));
  const held = new Map<number, string>();
  const ownPorts = new Set<number>();
  for (const { Names, Ports } of containers)
    for (const { PublicPort } of Ports) {
      if (PublicPort === undefined) continue;
      if (Names.some((name) => own.has(name))) ownPorts.add(PublicPort);
      else held.set(PublicPort, `container ${(Names[0] ?? "").slice(1)}`);
    }
  const wanted = [
    ...allNodes(topology).map((node) => ({ name: node.node, host: node.host.name, ...node.published })),
    { name: "gatewayStatistics", host: topology.gateway.host.name, ...topology.gateway.statistics },
  ].filter((port) => port.host === host.name && !ownPorts.has(port.port));
  const problems = await Promise.all(
    wanted.map(async ({ name, address, port }): Promise<Problem[]> => {
      const holder =
        held.get(port) ?? (local ? await localHolder(host, { address, port, publishedAddress }) : undefined);
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
async function localHolder(
  host: Host,
  {
    address,
    port,
    publishedAddress,
  }: { address: string; port: number; publishedAddress: string | undefined },
): Promise<string | undefined> {
  const code = await listeningFails(address, port);
  // The host's own address is not here: the socket leads to an engine somewhere else (a VM, a namespace).
  if (code === "EADDRNOTAVAIL" && address === host.address) return undefined;
  if (code !== undefined) return holderBy(code);
  // Published at every address, it is in the way of who listens at any of them.
  if (publishedAddress !== everyAddress || address !== host.address) return undefined;
  const other = await listeningFails(everyAddress, port);
  return other === undefined ? undefined : holderBy(other);
}

function holderBy(code: string): string {
  return code === "EADDRINUSE" ? "another program of this machine" : `nobody, but ${code}`;
}

/** Why nobody can listen there now; undefined where it can be done. */
function listeningFails(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen({ host: address, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
}
