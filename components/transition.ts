import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { type Settings, withoutSecrets } from "../core/settings.ts";
import type { Topology } from "../core/topology.ts";
import { goalOf, withEra } from "../core/transition/goal.ts";
import type { Goal } from "../core/transition/step.ts";
import { preflightTransition } from "../scripts/transition/preflight.ts";
import type { CredentialStore } from "./credentialStore.ts";
import { keepResult, runScript } from "./script.ts";

export interface TransitionArgs {
  readonly topology: Topology;
  readonly settings: Settings;
  readonly credentials: CredentialStore;
  /** The present era of synchronous replication; undefined where it is not synchronous. */
  readonly era: pulumi.Output<string> | undefined;
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
    const asked = goalOf(settings);
    super("pg-continuity:index:Transition", name, {}, opts);
    if (asked) {
      const goal = pulumi.output(knownNow(args.era)).apply((era) => withEra(asked, era));
      const checked = pulumi
        .all([credentials.all, goal])
        .apply(async ([{ caCertificate, passwords }, goal]) => {
          const report = await preflightTransition(topology, goal, {
            caCertificate,
            monitoringPassword: passwords.monitoring,
          });
          if (report.refused) throw plainError(report.text);
          await (report.unknown ? pulumi.log.warn(report.text, this) : pulumi.log.info(report.text, this));
          return passwords;
        });
      new command.local.Command(
        commandNames[asked.transition],
        {
          create: runScript("transition/run.ts"),
          update: keepResult,
          stdin: pulumi.secret(
            pulumi.all([credentials.all, goal, checked]).apply(([all, goal]) =>
              JSON.stringify({
                project: topology.project,
                stack: topology.stack,
                settings: withoutSecrets(settings),
                goal,
                caCertificate: all.caCertificate,
                monitoring: all.passwords.monitoring,
                operator: all.passwords.operator,
              }),
            ),
          ),
          triggers: [asked.transition, asked.transitionId],
          logging: "stderr",
        },
        { parent: this, deleteBeforeReplace: true, customTimeouts: { create: "24h" } },
      );
    }
    this.registerOutputs({});
  }
}

/** The value of an output; undefined where only an `up` will know it, so that a preview can go on without. */
async function knownNow<T>(output: pulumi.Output<T> | undefined): Promise<T | undefined> {
  const { isKnown, promise } = (output ?? {}) as { isKnown?: Promise<boolean>; promise?: () => Promise<T> };
  return (await isKnown) && promise ? promise.call(output) : undefined;
}

/** An error for a person: where it was thrown in the program says nothing to them. */
function plainError(text: string): pulumi.RunError {
  const error = new pulumi.RunError(text);
  error.stack = text;
  return error;
}
