import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { DeploymentContext } from "./context.ts";
import type { Database } from "./database.ts";
import { runScript } from "./script.ts";

/** What synchronous replication is switched on. */
export interface SynchronousReplicationArgs {
  readonly context: DeploymentContext;
  readonly databases: readonly Database[];
  /** Done once the replica streams, and is not restarted any more. */
  readonly after: pulumi.Resource;
}

/**
 * Synchronous or asynchronous replication, switched live. Switched on only once a replica streams, and off in one step
 * that needs nothing but the writable database: it has to work while writes wait.
 *
 * Each switch begins an era. Its name is kept in the state before anything is switched off, and in the database once
 * everything before it has reached the replica: a replica that holds the present era holds every acknowledged write.
 */
export class SynchronousReplication extends pulumi.ComponentResource {
  /** The name of the present era. */
  readonly era: pulumi.Output<string>;

  constructor(name: string, args: SynchronousReplicationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:SynchronousReplication", name, {}, opts);
    const { context, databases, after } = args;
    const isSynchronous = String(context.settings.synchronous);
    // A container that was replaced may have lost its state: what it confirmed before counts no more.
    const containers = pulumi
      .all(databases.map(({ container }) => container.id))
      .apply((ids) => ids.join(" "));
    const era = new command.local.Command(
      `${name}-era`,
      {
        create: "od -An -N8 -tx1 /dev/urandom | tr -d ' \\n'",
        environment: { SYNCHRONOUS: isSynchronous, CONTAINER_IDS: containers },
        addPreviousOutputInEnv: false,
        logging: "stderr",
      },
      { parent: this },
    );
    this.era = era.stdout;
    new command.local.Command(
      `switch-${name}`,
      {
        create: runScript("node/synchronise.ts"),
        delete: runScript("node/synchronise.ts --removed"),
        environment: {
          SYNCHRONOUS: isSynchronous,
          ERA: era.stdout,
          DATABASES: JSON.stringify(
            databases.map(({ database: { node, containerName, host } }) => ({
              node,
              docker: host.docker,
              container: containerName,
            })),
          ),
        },
        addPreviousOutputInEnv: false,
        logging: "stderr",
      },
      { parent: this, dependsOn: [after], customTimeouts: { create: "5m", update: "5m", delete: "5m" } },
    );
    this.registerOutputs({});
  }
}
