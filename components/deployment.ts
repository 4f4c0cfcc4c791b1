import * as pulumi from "@pulumi/pulumi";
import { type ImageKind, imageSources } from "../core/imageSources.ts";
import type { Settings } from "../core/settings.ts";
import type { DatabaseNode, ServerNode, Topology } from "../core/topology.ts";
import type { DatabaseName, ServerName } from "../core/vocabulary.ts";
import { type DeploymentContext, DockerHosts } from "./context.ts";
import { CredentialStore } from "./credentialStore.ts";
import type { Database } from "./database.ts";
import { Gateway } from "./gateway.ts";
import { NodeImage } from "./nodeImage.ts";
import { ParameterRestart } from "./parameterRestart.ts";
import { PrimaryServer } from "./primaryServer.ts";
import { ReadOnlyDatabase } from "./readOnlyDatabase.ts";
import { ReadOnlyServer } from "./readOnlyServer.ts";
import { releaseReplica } from "./releaseReplica.ts";
import { SecondaryServer } from "./secondaryServer.ts";
import { SharedDatabase } from "./sharedDatabase.ts";
import { StreamingReplication } from "./streamingReplication.ts";
import { SynchronousReplication } from "./synchronousReplication.ts";
import { Transition } from "./transition.ts";

const serverClasses = {
  primary: PrimaryServer,
  secondary: SecondaryServer,
  "read-only": ReadOnlyServer,
} satisfies Record<ServerName, unknown>;

/** A whole deployment: hosts, credentials, images, databases, replication, servers and the gateway. */
export class Deployment extends pulumi.ComponentResource {
  readonly credentials: CredentialStore;

  constructor(
    name: string,
    args: { readonly topology: Topology; readonly settings: Settings },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("pg-continuity:index:Deployment", name, { model: args.topology.model }, opts);
    const { topology, settings } = args;
    const child = { parent: this };
    this.credentials = new CredentialStore("credentials", { topology }, child);
    const { hosts } = new DockerHosts("docker", { topology }, child);
    const context: DeploymentContext = {
      topology,
      settings,
      credentials: this.credentials,
      hosts,
      images: this.#createImages(topology, hosts),
    };

    const shared = new SharedDatabase(
      "shared-database",
      { context, database: database(topology, "shared") },
      child,
    );
    const parts: pulumi.Resource[] = [shared];
    const databases: Database[] = [shared];
    if (topology.databases.some((node) => node.name === "read-only")) {
      const readOnly = new ReadOnlyDatabase(
        "read-only-database",
        {
          context,
          database: database(topology, "read-only"),
          outlivedBy: [releaseReplica(context, database(topology, "read-only"), shared.database, this)],
        },
        child,
      );
      parts.push(new StreamingReplication("replication", { context, shared, readOnly }, child));
      databases.push(readOnly);
    }
    const { applied } = new ParameterRestart("parameters", { context, databases, ready: parts }, child);
    parts.push(applied);
    const synchronous =
      databases.length > 1
        ? new SynchronousReplication("synchronous-replication", { context, databases, after: applied }, child)
        : undefined;
    for (const server of topology.servers)
      parts.push(new serverClasses[server.name](server.node, { context, server }, child));
    parts.push(new Gateway("gateway", { context }, child));
    const credentials = this.credentials;
    const era = settings.synchronous ? synchronous?.era : undefined;
    new Transition("transition", { topology, settings, credentials, era }, { ...child, dependsOn: parts });
    this.registerOutputs({});
  }

  /** One image for each kind of node on each host that runs such a node. */
  #createImages(topology: Topology, hosts: DeploymentContext["hosts"]): DeploymentContext["images"] {
    const nodes: readonly { kind: ImageKind; host: { name: string } }[] = [
      ...topology.databases,
      ...topology.servers,
      topology.gateway,
    ];
    const images = new Map<string, NodeImage>();
    for (const kind of Object.keys(imageSources) as ImageKind[]) {
      for (const host of hosts.values()) {
        if (!nodes.some((node) => node.kind === kind && node.host.name === host.host.name)) continue;
        const name = topology.hosts.length === 1 ? `${kind}-image` : `${kind}-image-on-${host.host.name}`;
        images.set(
          `${kind}@${host.host.name}`,
          new NodeImage(name, { topology, kind, host }, { parent: this }),
        );
      }
    }
    return images;
  }
}

function database(topology: Topology, name: DatabaseName): DatabaseNode {
  const found = topology.databases.find((node) => node.name === name);
  if (!found) throw new Error(`the model ${topology.model} has no database named ${name}`);
  return found;
}

/** The URL of a server or the gateway as published. */
export function urlOf(node: Pick<ServerNode, "published">): string {
  return `https://${node.published.address}:${node.published.port}`;
}
