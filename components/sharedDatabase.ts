import * as command from "@pulumi/command";
import type * as pulumi from "@pulumi/pulumi";
import { peersOf } from "../core/topology.ts";
import { alsoKnownAs, resourceName } from "./container.ts";
import { otherHosts } from "./context.ts";
import { Database, type DatabaseArgs } from "./database.ts";
import { keepResult, runScript } from "./script.ts";

/**
 * The shared database: used by the primary and the secondary server, and the first writable database of a
 * deployment. `initialise-…` runs once in the life of the stack, and on another host that it is moved to, where it copies
 * the writable one; after that the node's own intent decides.
 */
export class SharedDatabase extends Database {
  /** Done once the database accepts connections and its roles and slots are made. */
  readonly initialised: command.local.Command;

  constructor(name: string, args: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:SharedDatabase", name, args, opts);
    const { context, database } = args;
    this.initialised = new command.local.Command(
      `initialise-${resourceName(context, database)}`,
      {
        create: runScript("node/initialise.ts"),
        update: keepResult,
        environment: {
          DOCKER_URL: database.host.docker,
          CONTAINER: database.containerName,
          NAME: database.name,
          PEERS: JSON.stringify(
            peersOf(context.topology, database).map(({ name, host, containerName }) => ({
              name,
              docker: host.docker,
              container: containerName,
            })),
          ),
          OTHER_HOSTS: otherHosts(context, database),
        },
        logging: "stderr",
      },
      {
        parent: this,
        ...alsoKnownAs(context, database, (name) => `initialise-${name}`),
        dependsOn: [this.configuration],
        customTimeouts: { create: "24h" },
      },
    );
    this.registerOutputs({});
  }
}
