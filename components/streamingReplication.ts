import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { alsoKnownAs, resourceName } from "./container.ts";
import { type DeploymentContext, otherHosts } from "./context.ts";
import type { ReadOnlyDatabase } from "./readOnlyDatabase.ts";
import { keepResult, runScript } from "./script.ts";
import type { SharedDatabase } from "./sharedDatabase.ts";

/** What replication is made between. */
export interface StreamingReplicationArgs {
  readonly context: DeploymentContext;
  readonly shared: SharedDatabase;
  readonly readOnly: ReadOnlyDatabase;
}

/**
 * Streaming replication from the shared to the read-only database. Role, TLS, `pg_hba` and conninfo are part of both
 * nodes' configuration and the slot is made with the shared database; this attaches the replica (base backup, first
 * intent) and arms both guards. Runs once in the life of a replica on its host: who follows whom later is a transition's matter.
 */
export class StreamingReplication extends pulumi.ComponentResource {
  /** Done once the replica streams. */
  readonly attached: command.local.Command;

  constructor(name: string, args: StreamingReplicationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:StreamingReplication", name, {}, opts);
    const { context, shared, readOnly } = args;
    this.attached = new command.local.Command(
      `attach-${resourceName(context, readOnly.database)}`,
      {
        create: runScript("node/attachReplica.ts"),
        update: keepResult,
        environment: {
          DOCKER_URL: readOnly.database.host.docker,
          CONTAINER: readOnly.database.containerName,
          NAME: readOnly.database.name,
          UPSTREAM_DOCKER_URL: shared.database.host.docker,
          UPSTREAM_CONTAINER: shared.database.containerName,
          UPSTREAM_NAME: shared.database.name,
          OTHER_HOSTS: otherHosts(context, readOnly.database),
        },
        logging: "stderr",
      },
      {
        parent: this,
        ...alsoKnownAs(context, readOnly.database, (name) => `attach-${name}`),
        dependsOn: [shared.initialised, readOnly.configuration],
        customTimeouts: { create: "24h" },
      },
    );
    this.registerOutputs({});
  }
}
