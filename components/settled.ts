import * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { type DatabaseNode, type GatewayNode, peersOf, type ServerNode } from "../core/topology.ts";
import { alsoKnownAs, resourceName } from "./container.ts";
import type { DeploymentContext } from "./context.ts";
import { runScript } from "./script.ts";

/** Done once a database whose container was made anew streams again, or is followed again by those that followed it. */
export function awaitDatabase(
  context: DeploymentContext,
  database: DatabaseNode,
  container: docker.Container,
  parent: pulumi.Resource,
): command.local.Command {
  return settled(context, database, container, parent, {
    script: "node/awaitDatabase.ts",
    environment: {
      NAME: database.name,
      PEERS: JSON.stringify(
        peersOf(context.topology, database).map((peer) => ({ name: peer.name, ...whereabouts(peer) })),
      ),
    },
  });
}

/** Done once a server whose container was made anew does its duty, and the gateway sends it requests. */
export function awaitServer(
  context: DeploymentContext,
  server: ServerNode,
  container: docker.Container,
  parent: pulumi.Resource,
): command.local.Command {
  const { topology } = context;
  return settled(context, server, container, parent, {
    script: "node/awaitServer.ts",
    environment: {
      SERVER: JSON.stringify({ name: server.name, node: server.node, published: server.published }),
      GATEWAY: JSON.stringify(whereabouts(topology.gateway)),
    },
  });
}

/** Runs when the container is another one, and not for a node that is new: nobody used it before. */
function settled(
  context: DeploymentContext,
  node: DatabaseNode | ServerNode,
  container: docker.Container,
  parent: pulumi.Resource,
  { script, environment }: { script: string; environment: Record<string, pulumi.Input<string>> },
): command.local.Command {
  const { docker: engine, container: name } = whereabouts(node);
  return new command.local.Command(
    `await-${resourceName(context, node)}`,
    {
      create: ":",
      update: runScript(script),
      environment: { DOCKER_URL: engine, CONTAINER: name, CONTAINER_ID: container.id, ...environment },
      addPreviousOutputInEnv: false,
      logging: "stderr",
    },
    // As long as a copy of the data may take.
    {
      parent,
      ...alsoKnownAs(context, node, (name) => `await-${name}`),
      customTimeouts: { update: "24h" },
    },
  );
}

function whereabouts({ host, containerName }: DatabaseNode | ServerNode | GatewayNode) {
  return { docker: host.docker, container: containerName };
}
