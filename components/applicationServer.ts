import type * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { internalPorts, type ServerNode } from "../core/topology.ts";
import { createContainer, createStateVolume } from "./container.ts";
import type { DeploymentContext } from "./context.ts";
import { configureNode } from "./nodeConfiguration.ts";
import { awaitServer } from "./settled.ts";

/** What a server component is made from. */
export interface ApplicationServerArgs {
  readonly context: DeploymentContext;
  readonly server: ServerNode;
  /** What has to be done before the container is made anew. */
  readonly after: readonly pulumi.Resource[];
}

/**
 * An application server: state volume, container, configuration. All three run the same image; what a server may do
 * now it finds out from the databases it reaches.
 */
export abstract class ApplicationServer extends pulumi.ComponentResource {
  readonly server: ServerNode;
  readonly container: docker.Container;
  readonly configuration: command.local.Command;
  /** Done once a container that was made anew gets requests from the gateway again. */
  readonly settled: command.local.Command;

  protected constructor(
    type: string,
    name: string,
    args: ApplicationServerArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super(type, name, { server: args.server.name }, opts);
    const { context, server } = args;
    this.server = server;
    const state = createStateVolume(context, server, this);
    this.container = createContainer(
      context,
      server,
      {
        ports: [
          {
            internal: internalPorts.server,
            external: server.published.port,
            address: context.settings.publishedAddress,
          },
        ],
        volumes: [{ volume: state, path: "/var/lib/pg-continuity" }],
        tmpfs: {},
        stopSignal: "SIGTERM",
        graceSeconds: 15,
        mustRun: true,
        after: args.after,
      },
      this,
    );
    this.configuration = configureNode(context, server, this.container, this);
    this.settled = awaitServer(context, server, this.container, this);
  }
}
