import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { type ImageKind, imageName, imageSources } from "../core/imageSources.ts";
import { formerResourceName, resourceName, type Topology } from "../core/topology.ts";
import { contentHash } from "../scripts/node/contentHash.ts";
import type { HostResources } from "./context.ts";
import { keepResult, runScript } from "./script.ts";

/**
 * The image of one kind of node on one host, built there from the project's own folders. Its tag is the hash of what
 * goes into it: changed sources make a new image beside the old one, which goes once nothing uses it any more.
 */
export class NodeImage extends pulumi.ComponentResource {
  /** Name and tag. */
  readonly image: string;
  readonly build: command.local.Command;

  constructor(
    args: { readonly topology: Topology; readonly kind: ImageKind; readonly host: HostResources },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const { topology, kind, host } = args;
    const node = { node: `${kind}-image`, host: host.host };
    const name = resourceName(topology, node);
    const former = formerResourceName(topology, node);
    const alsoKnownAs = (prefix: string) =>
      former === undefined ? {} : { aliases: [{ name: `${prefix}${former}` }] };
    super("pg-continuity:index:NodeImage", name, {}, { ...opts, ...alsoKnownAs("") });
    const revision = topology.imageRevisions[kind];
    this.image = imageName(topology, kind, contentHash(".", imageSources[kind]));
    this.build = new command.local.Command(
      `build-${name}`,
      {
        create: runScript("node/buildImage.ts"),
        update: keepResult,
        delete: runScript("node/removeImage.ts"),
        environment: {
          DOCKER_URL: host.host.docker,
          IMAGE: this.image,
          KIND: kind,
          ...(revision === "" ? {} : { REVISION: revision }),
          PROJECT: topology.project,
          STACK: topology.stack,
        },
        triggers: [this.image],
        logging: "stderr",
      },
      { parent: this, ...alsoKnownAs("build-"), customTimeouts: { create: "20m" } },
    );
    this.registerOutputs({ image: this.image });
  }
}
