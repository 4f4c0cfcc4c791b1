import type { Override } from "./autoConf.ts";
import { type Observation, type Observed, unknown } from "./observation.ts";
import { managedParameters } from "./postgresParameters.ts";
import type { Finding } from "./status.ts";
import { allNodes, type Topology } from "./topology.ts";

const up = 'Run "npm run up"';

/** What somebody has changed past the config, on engines and in databases, each with the way back. */
export function driftFindings(topology: Topology, observation: Observation): readonly Finding[] {
  return [
    ...observation.networks.flatMap(({ host, network, state }) =>
      state.known && state.value === "missing"
        ? [
            {
              subject: `network ${network} on host ${host}`,
              problem: "does not exist: the nodes of this host cannot reach each other",
              remedy: `${up}: it makes the network again and connects the nodes.`,
            },
          ]
        : [],
    ),
    ...detachedFindings(topology, observation),
    ...observation.databases.flatMap(({ name, overrides }) => overrideFindings(name, overrides)),
  ];
}

/** Hosts whose engine does not answer: of what runs there only that is known which answers itself. */
export function hostFindings({ networks }: Observation): readonly Finding[] {
  return networks.flatMap(({ host, state }) =>
    state.known
      ? []
      : [
          {
            subject: `host ${host}`,
            problem: `is silent: ${state.reason}`,
            remedy:
              "Look whether it has power and network, and whether Docker runs there. What runs on it comes back by itself.",
          },
        ],
  );
}

function detachedFindings(topology: Topology, observation: Observation): Finding[] {
  const containers = new Map<string, Observation["gateway"]>([
    ...observation.databases.map(({ name, container }) => [`${name}-database`, container] as const),
    ...observation.servers.map(({ name, container }) => [`${name}-server`, container] as const),
    ...observation.applications.map(({ name, container }) => [`${name}-application`, container] as const),
    ["gateway", observation.gateway] as const,
  ]);
  return allNodes(topology).flatMap(({ node, host }) => {
    const container = containers.get(node) ?? unknown("not observed");
    const network = observation.networks.find((candidate) => candidate.host === host.name);
    const isThere = network?.state.known === true && network.state.value === "present";
    if (!isThere || !container.known) return [];
    const { state, isAttached } = container.value;
    if (state !== "running" || isAttached !== false) return [];
    return [
      {
        subject: node,
        problem: `its container is not connected to the network ${host.network}`,
        remedy: `${up}: it connects it.`,
      },
    ];
  });
}

function overrideFindings(name: string, overrides: Observed<readonly Override[]>): Finding[] {
  if (!overrides.known) return [];
  return overrides.value.map((override) => ({
    subject: `${name} database`,
    problem: `ALTER SYSTEM has set ${override.name} to '${override.value}' there, past the stack's config`,
    remedy: managedParameters.has(override.name)
      ? `${up}: it takes it back. This project sets ${override.name} itself, replication and fencing depend on it.`
      : `${up}: it takes it back. To keep it: pulumi config set --path 'postgresParameters.${override.name}' VALUE`,
  }));
}
