import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { renderBackup } from "../core/render/backup.ts";
import type { ConfigurationFile } from "../core/render/files.ts";
import { fingerprint, renderNode } from "../core/render/node.ts";
import type {
  AnyNode,
  BackupNode,
  ContainerNode,
  DatabaseNode,
  GatewayNode,
  ServerNode,
} from "../core/topology.ts";
import { alsoKnownAs, resourceName } from "./container.ts";
import type { DeploymentContext } from "./context.ts";
import { runScript } from "./script.ts";

/**
 * Delivers a node's configuration folder into its running container and makes it take effect there. Runs again
 * whenever a file or the container changes; replaces and restarts nothing. `files` in the diff says which file
 * changed, by a hash that is too short to tell anything of its content.
 */
export function configureNode(
  context: DeploymentContext,
  node: DatabaseNode | ServerNode | GatewayNode | BackupNode,
  container: docker.Container,
  parent: pulumi.Resource,
): command.local.Command {
  const files = filesOf(context, node);
  return new command.local.Command(
    `configure-${resourceName(context, node)}`,
    {
      create: runScript("node/configure.ts"),
      stdin: pulumi.secret(files.apply((all) => JSON.stringify(all))),
      environment: {
        DOCKER_URL: node.host.docker,
        CONTAINER: node.containerName,
        CONTAINER_ID: container.id,
        KIND: node.kind,
        ...namesOf(files),
      },
      addPreviousOutputInEnv: false,
      logging: "stderr",
    },
    {
      parent,
      ...alsoKnownAs(context, node, (name) => `configure-${name}`),
      dependsOn: [container, context.keysAllowed],
      customTimeouts: { create: "2m", update: "2m" },
    },
  );
}

/** A node's configuration; secret. */
export function filesOf(
  context: DeploymentContext,
  node: ContainerNode,
): pulumi.Output<readonly ConfigurationFile[]> {
  return node.kind === "backup" ? backupFiles(context, node) : nodeFiles(context, node);
}

function nodeFiles({ topology, settings, credentials }: DeploymentContext, node: AnyNode) {
  return pulumi
    .all([
      credentials.all,
      credentials.certificate(node.node),
      // Only databases know of it: nobody else is delivered anything anew because of it.
      node.kind === "database" ? credentials.backup : undefined,
    ])
    .apply(([all, certificate, backup]) =>
      renderNode(node, { topology, settings, credentials: all, certificate, backup }),
    );
}

function backupFiles({ topology, credentials }: DeploymentContext, node: BackupNode) {
  return pulumi.all([credentials.all, credentials.backup]).apply(([{ caCertificate }, login]) => {
    if (!login) throw new Error("backups without a login: the credential store makes one with the settings");
    return renderBackup(topology, node, { login, caCertificate });
  });
}

/** What may be seen of files: a name for all of them, and a hash of each that is too short to tell anything. */
export function namesOf(files: pulumi.Output<readonly ConfigurationFile[]>) {
  return {
    FINGERPRINT: pulumi.unsecret(files.apply((all) => fingerprint(all))),
    FILES: pulumi.unsecret(
      files.apply((all) => all.map(({ name, content }) => `${name}:${shortHash(content)}`).join(" ")),
    ),
  };
}

function shortHash(content: string): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 6);
}
