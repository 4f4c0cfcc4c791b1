import type * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type DatabaseNode, internalPorts } from "../core/topology.ts";
import { createContainer, createStateVolume, createVolume } from "./container.ts";
import type { DeploymentContext } from "./context.ts";
import { configureNode } from "./nodeConfiguration.ts";
import { awaitDatabase } from "./settled.ts";

/** What a database component is made from. */
export interface DatabaseArgs {
  readonly context: DeploymentContext;
  readonly database: DatabaseNode;
  /** What has to be deleted after the container (see `createContainer`). */
  readonly outlivedBy?: readonly pulumi.Resource[];
  /** What has to be done before the container is made anew. */
  readonly after: readonly pulumi.Resource[];
}

/**
 * A PostgreSQL node: data volume, state volume, container, configuration. Both databases are made alike, because
 * either may have to be the writable one; which one is, stands in the intent file and nowhere here.
 */
export abstract class Database extends pulumi.ComponentResource {
  readonly database: DatabaseNode;
  readonly container: docker.Container;
  readonly configuration: command.local.Command;
  /** Done once a container that was made anew streams again, or is followed. */
  readonly settled: command.local.Command;

  protected constructor(
    type: string,
    name: string,
    args: DatabaseArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super(type, name, { database: args.database.name }, opts);
    const { context, database } = args;
    this.database = database;
    const data = createVolume(context, database, database.dataVolume, "data", this);
    const state = createStateVolume(context, database, this);
    this.container = createContainer(
      context,
      database,
      {
        ports: [
          {
            internal: internalPorts.database,
            external: database.published.port,
            address: context.settings.publishedAddress,
          },
        ],
        volumes: [
          { volume: data, path: "/var/lib/postgresql" },
          { volume: state, path: "/var/lib/pg-continuity" },
        ],
        tmpfs: { "/run/postgresql": "mode=0755,uid=999,gid=999,size=16m" },
        stopSignal: "SIGINT",
        graceSeconds: 60,
        mustRun: false,
        shmMegabytes: 256,
        outlivedBy: args.outlivedBy ?? [],
        after: args.after,
      },
      this,
    );
    this.configuration = configureNode(context, database, this.container, this);
    this.settled = awaitDatabase(context, database, this.container, this);
  }
}
