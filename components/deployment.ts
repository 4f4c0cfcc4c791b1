import * as pulumi from "@pulumi/pulumi";
import { type ImageKind, imageSources } from "../core/imageSources.ts";
import type { Settings } from "../core/settings.ts";
import type { DatabaseNode, ServerNode, Topology } from "../core/topology.ts";
import type { DatabaseName, ServerName } from "../core/vocabulary.ts";
import { Backup } from "./backup.ts";
import { type DeploymentContext, DockerHosts } from "./context.ts";
import { checkKeys } from "./credentialChecks.ts";
import { CredentialStore } from "./credentialStore.ts";
import type { Database } from "./database.ts";
import { Gateway } from "./gateway.ts";
import { NodeImage } from "./nodeImage.ts";
import { OwnApplication } from "./ownApplication.ts";
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

/** What a deployment is made from. */
export interface DeploymentArgs {
  readonly topology: Topology;
  readonly settings: Settings;
  /** The nodes in the order in which their containers are made anew; undefined where nothing runs yet. */
  readonly order: readonly string[] | undefined;
}

/** A whole deployment: hosts, credentials, images, databases, replication, servers and the gateway. */
export class Deployment extends pulumi.ComponentResource {
  readonly credentials: CredentialStore;

  constructor(name: string, args: DeploymentArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:Deployment", name, { model: args.topology.model }, opts);
    const { topology, settings, order } = args;
    const child = { parent: this };
    this.credentials = new CredentialStore("credentials", { topology, settings }, child);
    const { hosts } = new DockerHosts("docker", { topology }, child);
    const context: DeploymentContext = {
      topology,
      settings,
      credentials: this.credentials,
      keysAllowed: checkKeys({ topology, credentials: this.credentials }, this),
      hosts,
      images: this.#createImages(topology, hosts),
    };

    // One container at a time; a first deployment has nobody to be careful of.
    let previous: readonly pulumi.Resource[] = [];
    const inTurn = <T extends { readonly settled: pulumi.Resource }>(
      make: (after: readonly pulumi.Resource[]) => T,
    ): T => {
      const made = make(previous);
      if (order) previous = [made.settled];
      return made;
    };
    const makers = {
      shared: (node: DatabaseNode, after: readonly pulumi.Resource[]) =>
        new SharedDatabase(node.node, { context, database: node, after }, child),
      "read-only": (node: DatabaseNode, after: readonly pulumi.Resource[]) =>
        new ReadOnlyDatabase(
          node.node,
          {
            context,
            database: node,
            after,
            outlivedBy: [releaseReplica(context, node, database(topology, "shared"), this)],
          },
          child,
        ),
    };
    const made = sorted(topology.databases, order).map((node) =>
      inTurn((after) => makers[node.name](node, after)),
    );
    const shared = made.find((database) => database instanceof SharedDatabase);
    const readOnly = made.find((database) => database instanceof ReadOnlyDatabase);
    // Always in the same order, whoever is writable: else what is made from it would differ after a promotion.
    const databases: Database[] = [shared, readOnly].filter((database) => database !== undefined);
    const parts: pulumi.Resource[] = [...databases];
    if (shared && readOnly)
      parts.push(new StreamingReplication("replication", { context, shared, readOnly }, child));
    const { applied } = new ParameterRestart("parameters", { context, databases, ready: parts }, child);
    parts.push(applied);
    if (order) previous = [applied];
    const synchronous = readOnly
      ? new SynchronousReplication("synchronous-replication", { context, databases, after: applied }, child)
      : undefined;
    for (const server of sorted(topology.servers, order))
      parts.push(
        inTurn((after) => new serverClasses[server.name](server.node, { context, server, after }, child)),
      );
    const gateway = new Gateway("gateway", { context, after: previous }, child);
    parts.push(gateway);
    this.#createApplications(context, [...databases, applied, gateway]);
    // A database that knows its role lets it in.
    if (topology.backup)
      new Backup(
        "backup",
        { context, backup: topology.backup },
        { ...child, dependsOn: [...databases, applied] },
      );
    const credentials = this.credentials;
    const era = settings.synchronous ? synchronous?.era : undefined;
    new Transition("transition", { topology, settings, credentials, era }, { ...child, dependsOn: parts });
    this.registerOutputs({});
  }

  /**
   * One's own application beside each server, one after the other: the first can bring its tables up to date before the
   * next starts, and one at a time is away. No transition waits for them.
   */
  #createApplications(context: DeploymentContext, after: readonly pulumi.Resource[]): void {
    let before = after;
    for (const application of context.topology.applications) {
      const { ready } = new OwnApplication(
        application.node,
        { context, application },
        { parent: this, dependsOn: [...before] },
      );
      before = [ready];
    }
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
        images.set(`${kind}@${host.host.name}`, new NodeImage({ topology, kind, host }, { parent: this }));
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

/** Nodes in turn. */
function sorted<T extends { readonly node: string }>(
  nodes: readonly T[],
  order: readonly string[] | undefined,
): readonly T[] {
  return [...nodes].sort((a, b) => (order?.indexOf(a.node) ?? 0) - (order?.indexOf(b.node) ?? 0));
}

/** The URL of a server as published, or of the gateway as clients reach it. */
export function urlOf({
  published,
  address,
}: Pick<ServerNode, "published"> & { readonly address?: string }): string {
  return `https://${address ?? published.address}:${published.port}`;
}
