import type * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { internalPorts } from "../core/topology.ts";
import { createContainer, createStateVolume } from "./container.ts";
import type { DeploymentContext } from "./context.ts";
import { configureNode } from "./nodeConfiguration.ts";

/**
 * The gateway: HAProxy, the one TLS entry point in front of the servers. Its statistics are published on 127.0.0.1
 * of its host only.
 */
export class Gateway extends pulumi.ComponentResource {
  readonly container: docker.Container;
  readonly configuration: command.local.Command;

  constructor(
    name: string,
    args: { readonly context: DeploymentContext; readonly after: readonly pulumi.Resource[] },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("pg-continuity:index:Gateway", name, {}, opts);
    const { context } = args;
    const { gateway } = context.topology;
    const state = createStateVolume(context, gateway, this);
    this.container = createContainer(
      context,
      gateway,
      {
        ports: [
          {
            internal: internalPorts.gateway,
            external: gateway.published.port,
            address: context.settings.publishedAddress,
          },
          {
            internal: internalPorts.statistics,
            external: gateway.statistics.port,
            address: gateway.statistics.address,
          },
        ],
        volumes: [{ volume: state, path: "/var/lib/pg-continuity" }],
        tmpfs: {},
        stopSignal: "SIGUSR1",
        graceSeconds: 10,
        mustRun: true,
        after: args.after,
      },
      this,
    );
    this.configuration = configureNode(context, gateway, this.container, this);
    this.registerOutputs({});
  }
}
