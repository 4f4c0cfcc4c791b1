// Replaces secrets on a running deployment: npm run rotate -- passwords|certificates|key|token … [--dry-run] [--json]
import { Argument, Command } from "commander";
import { planRotations, type Rotatable, type RotationChange, rotatable } from "../core/rotation.ts";
import { errorColours } from "./cli/colours.ts";
import { main, stackName } from "./cli/main.ts";
import { readStack } from "./cli/pulumi.ts";
import { applyStack } from "./rotate/apply.ts";
import { readSettings, writeGenerations } from "./rotate/config.ts";
import { encryptAgain } from "./rotate/encryptAgain.ts";
import { proveRotations } from "./rotate/prove.ts";
import { reasonsAgainst } from "./rotate/reasons.ts";
import type { Check } from "./verifyDeployment.ts";

const program = new Command("rotate")
  .description(
    "Replaces the passwords of the databases' roles, the authority with all certificates, the key that encrypts the vault or the administrator's token; live, in steps that are each a change of the config and an up, the same for all that are named. One that was interrupted is finished.",
  )
  .addArgument(new Argument("<kind...>", "what to replace").choices(rotatable))
  .option("--stack <name>", "the stack (default: dev)")
  .option("--dry-run", "show the steps and change nothing")
  .option(
    "--keep-former",
    "leave out the last step: what was in use before is accepted until this is run again",
  )
  .option("--force", "also where the stack is not as declared, as with certificates that have expired")
  .option("--json", "print what was done as JSON")
  .addHelpText(
    "after",
    "\nExit codes: 0 done (or, with --dry-run, can run), 1 failed, 3 not started, nothing was changed, 5 done, but something old is still accepted.",
  );

interface Options {
  readonly stack?: string;
  readonly dryRun?: true;
  readonly keepFormer?: true;
  readonly force?: true;
  readonly json?: true;
}

/** What a step means to whoever watches. */
const meanings: Readonly<Record<RotationChange["meaning"], string>> = {
  announced: "made, and accepted everywhere",
  "in use": "used everywhere, the one before is still accepted",
  retired: "the only one that is accepted",
};

await main(async () => {
  program.parse();
  const options = program.opts<Options>();
  // Variadic: commander gives it as one argument.
  const kinds = [...new Set((program.processedArgs[0] ?? []) as readonly Rotatable[])];
  const name = stackName(options.stack);
  const [before, wanted] = await Promise.all([readStack(name), readSettings(name)]);
  const applied = before.settings.credentials;
  const steps = planRotations(kinds, applied, wanted.credentials)
    .map((changes) => changes.filter(({ meaning }) => !(options.keepFormer && meaning === "retired")))
    .filter((changes) => changes.length > 0);
  const reasons = await reasonsAgainst(kinds, before, wanted, options.force === true);
  for (const { kind, generations, meaning } of steps.flat())
    tell(
      `${kind} [${generations.join(", ")}]: generation ${Math.max(...generations)} is ${meanings[meaning]}`,
    );
  for (const reason of reasons) tell(errorColours.red(`not started: ${reason}`));
  const report = {
    stack: name,
    kinds,
    applied: Object.fromEntries(kinds.map((kind) => [kind, applied[kind]])),
  };
  if (options.dryRun || reasons.length > 0) {
    if (options.json) print({ ...report, steps: steps.map((changes) => ({ changes })), reasons });
    return reasons.length > 0 ? 3 : 0;
  }

  const startedAt = new Date().toISOString();
  const done: { readonly changes: readonly RotationChange[]; readonly seconds: number }[] = [];
  let encryptedAgain = 0;
  for (const changes of steps) {
    if (changes.some(({ kind, meaning }) => kind === "key" && meaning === "retired"))
      encryptedAgain += await encryptAgain(await readStack(name), tell);
    const from = performance.now();
    await writeGenerations(name, changes);
    await applyStack(name, kinds, { force: options.force === true });
    done.push({ changes, seconds: Number(((performance.now() - from) / 1000).toFixed(1)) });
  }
  const checks = options.keepFormer ? [] : await proveRotations(kinds, before, await readStack(name));
  for (const { ok, what, detail } of checks)
    tell(`${ok ? errorColours.green("ok    ") : errorColours.red("failed")} ${what}: ${detail}`);
  if (options.json)
    print({
      ...report,
      steps: done,
      ...(kinds.includes("key") ? { encryptedAgain } : {}),
      checks,
      startedAt,
      endedAt: new Date().toISOString(),
    });
  return checks.every(({ ok }: Check) => ok) ? 0 : 5;
});

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

function print(report: unknown): void {
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}
