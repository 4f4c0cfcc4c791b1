// From whatever there is to a running stack: set-up, `pulumi up`, proof that it works, and a table of what runs where.
//   npm run up [-- --stack NAME]
import { existsSync } from "node:fs";
import { Command } from "commander";
import { execa } from "execa";
import { judge } from "../core/status.ts";
import { errorColours } from "./cli/colours.ts";
import { clearDeadLocks } from "./cli/deadLock.ts";
import { main, stackName } from "./cli/main.ts";
import { explain, projectName, readDeployed, readStack } from "./cli/pulumi.ts";
import { renderStatus } from "./cli/statusTable.ts";
import { forgetRemoved, heal } from "./heal/index.ts";
import { observe } from "./observe/index.ts";
import { pulumiEnvironment, setup } from "./setup/index.ts";
import { verifyDeployment } from "./verifyDeployment.ts";

const program = new Command("up")
  .description("Sets up what is missing, applies the stack, proves that it works and shows what runs where.")
  .option("--stack <name>", "the stack (default: dev)")
  .option("--json", "print the final status as JSON")
  .addHelpText(
    "after",
    "\nExit codes: 0 applied and working, 1 an error, 3 applied, but something is not as declared.",
  );

await main(async () => {
  const options = program.parse().opts<{ stack?: string; json?: true }>();
  const name = stackName(options.stack);
  await setup();
  const tell = (done: string) => process.stderr.write(`healed: ${done}\n`);
  const before = await readDeployed(name);
  if (before) await forgetRemoved(name, before.topology, tell);
  await applyStack(name, options.json === true);

  const stack = await readStack(name);
  for (const failure of await heal(stack.topology, tell))
    process.stderr.write(`${errorColours.red("not healed")} ${failure}\n`);
  const checks = await verifyDeployment(stack);
  const status = judge(stack.topology, await observe(stack.topology, stack.access));
  for (const { what, ok, detail } of checks)
    process.stderr.write(
      `${ok ? errorColours.green("ok    ") : errorColours.red("failed")} ${what}: ${detail}\n`,
    );
  process.stdout.write(options.json ? `${JSON.stringify(status, null, 2)}\n` : `\n${renderStatus(status)}\n`);
  process.stderr.write(
    `\nGateway: ${stack.gatewayUrl}   token: pulumi stack output adminToken --show-secrets\n`,
  );
  return checks.every(({ ok }) => ok) && status.verdict === "ok" ? 0 : 3;
});

/** Creates the stack where there is none, then `pulumi up`, its output as it comes; standard output is kept for JSON. */
async function applyStack(name: string, isJson: boolean): Promise<void> {
  const env = pulumiEnvironment();
  const selected = await execa("pulumi", ["stack", "select", "--create", name, "--non-interactive"], {
    env,
    reject: false,
  });
  if (selected.failed) throw new Error(explain(selected.stderr));
  if (!existsSync(`Pulumi.${name}.yaml`))
    process.stderr.write(`stack ${name} has no Pulumi.${name}.yaml: every setting has its default\n`);
  for (const { pid, since } of clearDeadLocks(projectName, name))
    process.stderr.write(`removed the lock of a pulumi that was killed (process ${pid}, since ${since})\n`);
  const up = await execa(
    "pulumi",
    ["up", "--yes", "--skip-preview", "--non-interactive", "--suppress-outputs", "--stack", name],
    {
      env,
      reject: false,
      stdin: "ignore",
      stdout: [isJson ? process.stderr : "inherit", "pipe"],
      stderr: ["inherit", "pipe"],
    },
  );
  if (!up.failed) return;
  const output = `${up.stdout}\n${up.stderr}`;
  const explained = explain(output);
  throw new Error(
    explained === output.trim()
      ? "pulumi up failed, see above. Nothing is lost: correct it and run this again."
      : explained,
  );
}
