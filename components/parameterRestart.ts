import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { needsRestart } from "../core/parameterCatalogue.ts";
import { effectiveParameters } from "../core/postgresParameters.ts";
import type { DeploymentContext } from "./context.ts";
import type { Database } from "./database.ts";
import { runScript } from "./script.ts";

/** What parameters that need a restart are applied to. */
export interface ParameterRestartArgs {
  readonly context: DeploymentContext;
  readonly databases: readonly Database[];
  /** Done once the databases run, and the replica streams. */
  readonly ready: readonly pulumi.Resource[];
}

/**
 * PostgreSQL parameters that take effect only with a restart. `PARAMETERS` in the diff says which one changes; then each
 * database is restarted in its container, one at a time, in the order that replication demands (`core/restartPlan.ts`).
 * All others are applied live, with the node's configuration.
 */
export class ParameterRestart extends pulumi.ComponentResource {
  readonly applied: command.local.Command;

  constructor(name: string, args: ParameterRestartArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:ParameterRestart", name, {}, opts);
    const { context, databases, ready } = args;
    const parameters = Object.entries(effectiveParameters(context.settings))
      .filter(([parameter]) => needsRestart(parameter))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    this.applied = new command.local.Command(
      "restart-databases-for-parameters",
      {
        create: runScript("node/restartForParameters.ts"),
        environment: {
          PARAMETERS: JSON.stringify(Object.fromEntries(parameters)),
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
      { parent: this, dependsOn: [...ready], customTimeouts: { create: "15m", update: "15m" } },
    );
    this.registerOutputs({});
  }
}
