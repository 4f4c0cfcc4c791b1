import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import type { DatabaseNode } from "../core/topology.ts";
import { alsoKnownAs, resourceName } from "./container.ts";
import type { DeploymentContext } from "./context.ts";
import { runScript } from "./script.ts";

/**
 * What is left to do once a replica was removed by a change of the model: its slot on the other database is dropped, and
 * that database's guard no longer waits for it. Does nothing until it is deleted; its replica's container is made after
 * it and so deleted before it. When the whole stack is taken down it leaves all as it is.
 */
export function releaseReplica(
  context: DeploymentContext,
  replica: DatabaseNode,
  upstream: DatabaseNode,
  parent: pulumi.Resource,
): command.local.Command {
  return new command.local.Command(
    `release-${resourceName(context, replica)}`,
    {
      create: ":",
      delete: runScript("node/releaseReplica.ts"),
      environment: {
        NAME: replica.name,
        SLOT: replica.slot,
        UPSTREAM_DOCKER_URL: upstream.host.docker,
        UPSTREAM_CONTAINER: upstream.containerName,
      },
      addPreviousOutputInEnv: false,
      logging: "stderr",
    },
    {
      parent,
      ...alsoKnownAs(context, replica, (name) => `release-${name}`),
      customTimeouts: { delete: "5m" },
    },
  );
}
