// Runs a transition from the shell, with the same engine as "pulumi up":
//   npm run transition -- promote|restore|rebuild [--id TEXT] [--dry-run] [--json] [--stack NAME]
import { Argument, Command } from "commander";
import { execa } from "execa";
import { renderPreflight } from "../core/transition/report.ts";
import { type Goal, type TransitionName, transitions } from "../core/transition/step.ts";
import { main, stackName } from "./cli/main.ts";
import { readEra, readStack } from "./cli/pulumi.ts";
import { planNow, RefusedError, runTransition } from "./transition/driver.ts";
import { keepEvidence } from "./transition/keepEvidence.ts";

const program = new Command("transition")
  .description("Promotes, restores or rebuilds, with the same plan and the same checks as through Pulumi.")
  .addArgument(new Argument("<transition>").choices(transitions))
  .option("--stack <name>", "the stack (default: dev)")
  .option("--id <text>", "incident or change number, kept in the evidence (default: the time)")
  .option("--dry-run", "show the preflight and change nothing")
  .option("--json", "print the plan (--dry-run) or the evidence as JSON")
  .option("--allow-data-loss", "accept an emergency promote that cannot prove zero loss")
  .option("--primary-is-down", "your word that an unreachable primary host is switched off")
  .option("--no-keep-diverged", "do not keep a copy of data that went its own way")
  .option("--no-read-unsent-wal", "do not read from the disk of a database that is down what it had not sent")
  .addHelpText(
    "after",
    "\nExit codes: 0 done (or, with --dry-run, can run), 1 failed, 4 refused, nothing was changed.",
  );

interface Options {
  readonly stack?: string;
  readonly id?: string;
  readonly dryRun?: true;
  readonly json?: true;
  readonly allowDataLoss?: true;
  readonly primaryIsDown?: true;
  readonly keepDiverged: boolean;
  readonly readUnsentWal: boolean;
}

await main(async () => {
  program.parse();
  const options = program.opts<Options>();
  const stack = await readStack(stackName(options.stack));
  const goal: Goal = {
    transition: program.args[0] as TransitionName,
    transitionId: options.id ?? `shell-${new Date().toISOString()}`,
    allowDataLoss: options.allowDataLoss === true,
    primaryIsDown: options.primaryIsDown === true,
    keepDiverged: options.keepDiverged,
    readUnsentWal: options.readUnsentWal,
    ...(stack.topology.synchronous ? await readEra(stack.name) : {}),
  };
  const before = await planNow(stack.topology, goal, stack.access);
  const progress = (text: string) => process.stderr.write(`${text}\n`);
  if (!options.json) progress(renderPreflight(goal, before.observation, before.plan));
  if (options.dryRun) {
    if (options.json) process.stdout.write(`${JSON.stringify({ goal, ...before }, null, 2)}\n`);
    return before.plan.refused.length > 0 ? 4 : 0;
  }
  try {
    const evidence = await runTransition({
      topology: stack.topology,
      goal,
      observer: stack.access,
      operatorPassword: stack.operatorPassword,
      commit: await currentCommit(),
      progress,
      keep: keepEvidence,
    });
    if (options.json) process.stdout.write(`${JSON.stringify(evidence, null, 2)}\n`);
    else
      progress(
        `${evidence.transition}: ${evidence.verdict}${evidence.writeGapSeconds === null ? "" : `, writes waited ${evidence.writeGapSeconds.toFixed(3)} s`}`,
      );
    return 0;
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    progress(error.message);
    return 4;
  }
});

async function currentCommit(): Promise<string | null> {
  const { failed, stdout } = await execa("git", ["rev-parse", "HEAD"], { reject: false });
  return failed ? null : stdout.trim();
}
