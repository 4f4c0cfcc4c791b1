import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../core/settings.ts";
import { type AnyNode, type Host, hostsBeside, type Topology } from "../core/topology.ts";
import type { CredentialStore } from "./credentialStore.ts";
import type { NodeImage } from "./nodeImage.ts";

/** What one host gives to the containers on it. */
export interface HostResources {
  readonly host: Host;
  readonly provider: docker.Provider;
  readonly network: docker.Network;
}

/** What every component of a deployment is built from. */
export interface DeploymentContext {
  readonly topology: Topology;
  readonly settings: Settings;
  readonly credentials: CredentialStore;
  /** Done once it is sure that the vault's keys may be delivered. */
  readonly keysAllowed: pulumi.Resource;
  readonly hosts: ReadonlyMap<string, HostResources>;
  /** The image of each kind on each host: `KIND@HOST`. */
  readonly images: ReadonlyMap<string, NodeImage>;
}

/** Labels of everything that belongs to a stack: for people, for clean-up and for the scripts. */
export function stackLabels(topology: Topology, extra: Readonly<Record<string, string>> = {}) {
  const all = { "pg-continuity.project": topology.project, "pg-continuity.stack": topology.stack, ...extra };
  return Object.entries(all).map(([label, value]) => ({ label, value }));
}

/** For a script: the hosts from which a node may be moved to its own. */
export function otherHosts({ topology }: DeploymentContext, { host }: Pick<AnyNode, "host">): string {
  return JSON.stringify(hostsBeside(topology, host).map(({ name, docker }) => ({ name, docker })));
}

/**
 * The Docker hosts of a deployment: one provider and one network each. The host is part of every resource's name, so
 * moving a node to another host makes new resources instead of losing the old ones.
 */
export class DockerHosts extends pulumi.ComponentResource {
  readonly hosts: ReadonlyMap<string, HostResources>;

  constructor(name: string, args: { readonly topology: Topology }, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:DockerHosts", name, {}, opts);
    const { topology } = args;
    this.hosts = new Map(
      topology.hosts.map((host) => {
        const provider = new docker.Provider(
          `${name}-${host.name}`,
          // Without the flag one dead host stops every preview, also of a promotion on another host.
          { host: host.docker, disableDockerDaemonCheck: true },
          { parent: this },
        );
        const network = new docker.Network(
          `${name}-${host.name}-network`,
          { name: host.network, driver: "bridge", labels: stackLabels(topology) },
          { parent: this, provider, deleteBeforeReplace: true },
        );
        return [host.name, { host, provider, network }];
      }),
    );
    this.registerOutputs({});
  }
}
