import * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { containerLimits } from "../core/resourceLimits.ts";
import {
  type ContainerNode,
  dataVolumeName,
  formerResourceName,
  isInEveryModel,
  resourceName as nameInPulumi,
} from "../core/topology.ts";
import { type DeploymentContext, type HostResources, stackLabels } from "./context.ts";

/** What differs between the kinds of container. */
export interface ContainerSpec {
  readonly ports: readonly {
    readonly internal: number;
    readonly external: number;
    readonly address: string;
  }[];
  readonly volumes: readonly {
    readonly volume: docker.Volume;
    readonly path: string;
    readonly readOnly?: true;
  }[];
  /** Writable paths in memory, with mount options. */
  readonly tmpfs: Readonly<Record<string, string>>;
  readonly stopSignal: string;
  /** How long a stop may take before it becomes a kill, in seconds. */
  readonly graceSeconds: number;
  /** `docker.Container` is started again when a refresh finds it stopped. Never for databases: that is fencing's matter. */
  readonly mustRun: boolean;
  readonly shmMegabytes?: number;
  /** What has to exist as long as the container: it is made before and deleted after it. */
  readonly outlivedBy?: readonly pulumi.Resource[];
  /** Done once the container before this one in turn was made anew and does its work again. */
  readonly after: readonly pulumi.Resource[];
  /** What is not of this project: an image that somebody else has made, and how it is run. */
  readonly foreign?: ForeignSpec;
  /** Instead of the image's own. */
  readonly entrypoint?: string;
}

/** How an image is run that this project has not made. */
export interface ForeignSpec {
  readonly image: string;
  /** Number of user and group. */
  readonly user: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Instead of the image's own; empty: the image's own. */
  readonly command: readonly string[];
  readonly readOnlyFileSystem: boolean;
  /** Another one makes the container anew. */
  readonly fingerprint: pulumi.Output<string>;
}

/** The resources of the node's host; a node without one is a mistake in the topology. */
export function hostOf(context: DeploymentContext, node: ContainerNode): HostResources {
  const host = context.hosts.get(node.host.name);
  if (!host) throw new Error(`${node.node}: no resources for host ${node.host.name}`);
  return host;
}

/** The logical name of a node's resources (`core/topology.ts`). */
export function resourceName(context: DeploymentContext, node: ContainerNode): string {
  return nameInPulumi(context.topology, node);
}

/**
 * For a resource of a node, under which name it is looked for in the state, too: with a second host every name gets its
 * host, and nothing may be made anew for that.
 *
 * @param nameOf the resource's name, from that of the node
 */
export function alsoKnownAs(
  context: DeploymentContext,
  node: ContainerNode,
  nameOf: (name: string) => string,
): Pick<pulumi.ResourceOptions, "aliases"> {
  const former = formerResourceName(context.topology, node);
  return former === undefined ? {} : { aliases: [{ name: nameOf(former) }] };
}

/** The volume with a node's configuration and memory. */
export function createStateVolume(
  context: DeploymentContext,
  node: ContainerNode,
  parent: pulumi.Resource,
): docker.Volume {
  return createVolume(context, node, node.stateVolume, "state", parent);
}

/**
 * A named volume of a node. Neither `pulumi destroy` nor a change of its definition deletes it, only
 * `npm run down -- --volumes` does: that of a node in every model is protected, that of another node leaves the stack
 * with it and stays on the host, where the node finds it again when it comes back. The one data volume that
 * `giveUpVolume` names is neither. In that of an application of one's own is nothing but what is delivered again: it goes.
 *
 * A data volume that is replaced goes before the new one is made: its container is stopped and made anew with it.
 */
export function createVolume(
  context: DeploymentContext,
  node: ContainerNode,
  physicalName: string,
  part: string,
  parent: pulumi.Resource,
): docker.Volume {
  return new docker.Volume(
    `${resourceName(context, node)}-${part}`,
    {
      name: physicalName,
      labels: stackLabels(context.topology, {
        "pg-continuity.node": node.node,
        "pg-continuity.volume": part,
      }),
    },
    {
      parent,
      provider: hostOf(context, node).provider,
      ...alsoKnownAs(context, node, (name) => `${name}-${part}`),
      ...(part === "data" ? { deleteBeforeReplace: true } : {}),
      ...volumeKeeping(context, node, part),
    },
  );
}

/** What keeps a volume from being lost: nothing can delete it, or Pulumi only forgets it. */
function volumeKeeping(
  { topology, settings }: DeploymentContext,
  node: ContainerNode,
  part: string,
): Pick<pulumi.CustomResourceOptions, "protect" | "retainOnDelete"> {
  if (node.kind === "application") return {};
  const isGivenUp = topology.givenUpVolume === dataVolumeName(topology, node);
  if (isGivenUp && part === "data") return {};
  // The memory of a node whose data is given up may leave the stack with it.
  return settings.dataProtection && isInEveryModel(node.node) && !isGivenUp
    ? { protect: true }
    : { retainOnDelete: true };
}

/**
 * A container of the deployment with the options that the provider needs to be safe:
 *
 * - a replacement deletes first (name and ports can be held only once), with a stop and not a kill (`destroyGraceSeconds`)
 * - what the provider accepts as an update but does not apply to a running container is a replacement
 *   (kreuzwerker/terraform-provider-docker#988)
 * - least privilege: no capability, no new privileges, read-only root, an ordinary user
 */
export function createContainer(
  context: DeploymentContext,
  node: ContainerNode,
  spec: ContainerSpec,
  parent: pulumi.Resource,
): docker.Container {
  const { provider, network } = hostOf(context, node);
  const { image, build } = imageOf(context, node, spec);
  const limits = containerLimits(node.kind === "backup" ? {} : context.settings.resources[node.kind]);
  return new docker.Container(
    resourceName(context, node),
    {
      name: node.containerName,
      hostname: node.node,
      image,
      restart: "unless-stopped",
      mustRun: spec.mustRun,
      stopSignal: spec.stopSignal,
      stopTimeout: spec.graceSeconds,
      destroyGraceSeconds: spec.graceSeconds,
      removeVolumes: false,
      networkMode: "bridge",
      networksAdvanced: [{ name: network.name, aliases: [node.node] }],
      // A stopped node's name is asked of the outer name servers too. Looking a name up cannot be interrupted, and a
      // promotion waits for whoever does.
      dnsOpts: ["timeout:1", "attempts:1"],
      ports: [...spec.ports]
        .sort((a, b) => a.internal - b.internal)
        .map(({ internal, external, address }) => ({ internal, external, ip: address, protocol: "tcp" })),
      volumes: spec.volumes.map(({ volume, path, readOnly }) => ({
        volumeName: volume.name,
        containerPath: path,
        ...(readOnly ? { readOnly } : {}),
      })),
      tmpfs: { "/tmp": "mode=1777,size=64m", ...spec.tmpfs },
      ...(spec.shmMegabytes === undefined ? {} : { shmSize: spec.shmMegabytes }),
      ...limits.inputs,
      readOnly: true,
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges:true"],
      logDriver: "json-file",
      logOpts: { "max-size": "10m", "max-file": "3" },
      labels: [
        ...stackLabels(context.topology, {
          "pg-continuity.node": node.node,
          "pg-continuity.kind": node.kind,
          ...(limits.label === undefined ? {} : { "pg-continuity.limited": limits.label }),
        }),
        ...(spec.foreign ? [{ label: "pg-continuity.files", value: spec.foreign.fingerprint }] : []),
      ],
      ...(spec.foreign ? foreignOptions(spec.foreign) : {}),
      ...(spec.entrypoint === undefined ? {} : { entrypoints: [spec.entrypoint] }),
    },
    {
      parent,
      provider,
      ...alsoKnownAs(context, node, (name) => name),
      dependsOn: [...build, ...(spec.outlivedBy ?? []), ...spec.after],
      deleteBeforeReplace: true,
      replaceOnChanges: ["healthcheck", "init", "tmpfs", "rm"],
    },
  );
}

/** The image of a node, and what has to be done before it is there. */
function imageOf(
  context: DeploymentContext,
  node: ContainerNode,
  { foreign }: ContainerSpec,
): { readonly image: string; readonly build: readonly pulumi.Resource[] } {
  if (foreign) return { image: foreign.image, build: [] };
  // What copies a database is a part of it.
  const kind = node.kind === "backup" ? "database" : node.kind;
  const image = context.images.get(`${kind}@${node.host.name}`);
  if (!image) throw new Error(`${node.node}: no image for ${kind} on host ${node.host.name}`);
  return { image: image.image, build: [image.build] };
}

function foreignOptions({ user, environment, command, readOnlyFileSystem }: ForeignSpec) {
  return {
    user: `${user}:${user}`,
    envs: Object.entries(environment)
      .map(([name, value]) => `${name}=${value}`)
      .sort(),
    ...(command.length > 0 ? { command: [...command] } : {}),
    readOnly: readOnlyFileSystem,
    // Most programs leave SIGTERM to its default, which does nothing to a container's first process.
    init: true,
  };
}
