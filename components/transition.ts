import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../core/settings.ts";
import type { Topology } from "../core/topology.ts";
import { goalOf } from "../core/transition/goal.ts";
import type { Goal } from "../core/transition/step.ts";
import { preflightTransition } from "../scripts/transition/preflight.ts";
import type { CredentialStore } from "./credentialStore.ts";
import { keepResult, runScript } from "./script.ts";

export interface TransitionArgs {
  readonly topology: Topology;
  readonly settings: Settings;
  readonly credentials: CredentialStore;
}

/** The command's name is what the preview shows: what will be done, to which database. */
const commandNames: Readonly<Record<Goal["transition"], string>> = {
  promote: "promote-read-only",
  restore: "restore-shared",
  rebuild: "rebuild-read-only",
};

/**
 * A transition, as the config asks for it: a command that runs once for each transitionId. The preview shows its
 * preflight (what is observed, each step, what it costs) and fails where it would be refused; so does `pulumi up`
 * before it changes anything.
 */
export class Transition extends pulumi.ComponentResource {
  constructor(name: string, args: TransitionArgs, opts?: pulumi.ComponentResourceOptions) {
    const { topology, settings, credentials } = args;
    const goal = goalOf(settings);
    super("pg-continuity:index:Transition", name, {}, opts);
    if (goal) {
      const checked = credentials.all.apply(async ({ authority, passwords }) => {
        const report = await preflightTransition(topology, goal, {
          caCertificate: authority.certificate,
          monitoringPassword: passwords.monitoring,
        });
        if (report.refused) throw plainError(report.text);
        await (report.unknown ? pulumi.log.warn(report.text, this) : pulumi.log.info(report.text, this));
        return passwords;
      });
      new command.local.Command(
        commandNames[goal.transition],
        {
          create: runScript("transition/run.ts"),
          update: keepResult,
          stdin: pulumi.secret(
            pulumi.all([credentials.all, checked]).apply(([all]) =>
              JSON.stringify({
                project: topology.project,
                stack: topology.stack,
                settings,
                goal,
                caCertificate: all.authority.certificate,
                monitoring: all.passwords.monitoring,
                operator: all.passwords.operator,
              }),
            ),
          ),
          triggers: [goal.transition, goal.transitionId],
          logging: "stderr",
        },
        { parent: this, deleteBeforeReplace: true, customTimeouts: { create: "24h" } },
      );
    }
    this.registerOutputs({});
  }
}

/** An error for a person: where it was thrown in the program says nothing to them. */
function plainError(text: string): pulumi.RunError {
  const error = new pulumi.RunError(text);
  error.stack = text;
  return error;
}
