// Removes a stack's containers, networks and images; its data volumes only with --volumes.
//   npm run down [-- --volumes] [--yes] [--stack NAME]
import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import { execa } from "execa";
import { main, stackName } from "./cli/main.ts";
import { explain } from "./cli/pulumi.ts";
import { pulumiEnvironment } from "./setup/index.ts";

const program = new Command("down")
  .description("Removes the stack's containers, networks and images. Data stays, unless --volumes is given.")
  .option("--stack <name>", "the stack (default: dev)")
  .option(
    "--volumes",
    "delete the data volumes and the stack itself too: nothing can be brought back afterwards",
  )
  .option("--yes", "do not ask");

await main(async () => {
  const options = program.parse().opts<{ stack?: string; volumes?: true; yes?: true }>();
  const name = stackName(options.stack);
  if (!options.yes && !(await confirmed(name, options.volumes === true))) {
    process.stderr.write("nothing was changed\n");
    return 1;
  }
  if (options.volumes) await run(["state", "unprotect", "--all", "--yes"], name);
  await run(
    ["destroy", "--yes", "--skip-preview", ...(options.volumes ? [] : ["--exclude-protected"])],
    name,
  );
  if (options.volumes) await run(["stack", "rm", "--yes", "--preserve-config"], name);
  process.stderr.write(
    options.volumes
      ? `stack ${name} is gone, with its data\n`
      : `stack ${name} is down. Its data, keys and passwords are kept: "npm run up" brings it back, "npm run down -- --volumes" deletes them\n`,
  );
  return 0;
});

/** Runs the Pulumi CLI with its output as it comes. */
async function run(args: readonly string[], stack: string): Promise<void> {
  const { failed, stdout, stderr } = await execa("pulumi", [...args, "--non-interactive", "--stack", stack], {
    env: pulumiEnvironment(),
    reject: false,
    stdin: "ignore",
    stdout: ["inherit", "pipe"],
    stderr: ["inherit", "pipe"],
  });
  if (failed) throw new Error(explain(`${stdout}\n${stderr}`));
}

async function confirmed(stack: string, volumes: boolean): Promise<boolean> {
  if (!process.stdin.isTTY) {
    process.stderr.write("no terminal to ask on: give --yes\n");
    return false;
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const what = volumes ? "ALL DATA of stack" : "the containers, networks and images of stack";
  const answer = await prompt.question(`Remove ${what} ${stack}? Type its name to go on: `);
  prompt.close();
  return answer.trim() === stack;
}
