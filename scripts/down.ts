// Removes a stack's containers, networks and images; its data volumes only with --volumes.
//   npm run down [-- --volumes] [--yes] [--stack NAME]
import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import { execa } from "execa";
import { z } from "zod";
import { main, stackName } from "./cli/main.ts";
import { explain, projectName, pulumi, readStack } from "./cli/pulumi.ts";
import { connectEngine, lookAtEngine } from "./docker/engine.ts";
import { messageOf } from "./observe/container.ts";
import { pulumiEnvironment } from "./setup/index.ts";

const program = new Command("down")
  .description("Removes the stack's containers, networks and images. Data stays, unless --volumes is given.")
  .option("--stack <name>", "the stack (default: dev)")
  .option(
    "--volumes",
    "delete the data volumes and the stack itself too: nothing can be brought back afterwards",
  )
  .option("--yes", "do not ask");

/** What of an exported state is read here. */
const stateSchema = z.object({
  deployment: z.object({
    resources: z
      .array(z.object({ type: z.string(), inputs: z.object({ host: z.string().optional() }).optional() }))
      .optional(),
  }),
});

await main(async () => {
  const options = program.parse().opts<{ stack?: string; volumes?: true; yes?: true }>();
  const name = stackName(options.stack);
  if (!options.yes && !(await confirmed(name, options.volumes === true))) {
    process.stderr.write("nothing was changed\n");
    return 1;
  }
  const hosts = options.volumes ? await deployedHosts(name) : [];
  if (options.volumes) await run(["state", "unprotect", "--all", "--yes"], name);
  await run(
    ["destroy", "--yes", "--skip-preview", ...(options.volumes ? [] : ["--exclude-protected"])],
    name,
  );
  await removeVolumes(name, hosts);
  if (options.volumes) await run(["stack", "rm", "--yes", "--preserve-config"], name);
  process.stderr.write(
    options.volumes
      ? `stack ${name} is gone, with its data\n`
      : `stack ${name} is down. Its data, keys and passwords are kept: "npm run up" brings it back, "npm run down -- --volumes" deletes them\n`,
  );
  return 0;
});

/** The Docker URLs of the stack's hosts: as it was deployed, or, where no deployment came to its end, as far as the state knows. */
async function deployedHosts(name: string): Promise<readonly string[]> {
  const outputs = JSON.parse(await pulumi(["stack", "output", "--json"], { stack: name }));
  if ("access" in outputs) {
    const { hosts, idleHosts } = (await readStack(name)).topology;
    return [...hosts, ...idleHosts].map(({ docker }) => docker);
  }
  const { deployment } = stateSchema.parse(JSON.parse(await pulumi(["stack", "export"], { stack: name })));
  const providers = (deployment.resources ?? []).filter(({ type }) => type === "pulumi:providers:docker");
  return [...new Set(providers.flatMap(({ inputs }) => inputs?.host ?? []))];
}

/** Volumes that had left the stack with their node (another model, another host) are still on their hosts. */
async function removeVolumes(stack: string, hosts: readonly string[]): Promise<void> {
  const label = [`pg-continuity.project=${projectName}`, `pg-continuity.stack=${stack}`];
  for (const host of hosts) {
    const found = await lookAtEngine(host)
      .listVolumes({ filters: { label } })
      .catch((error: unknown) => {
        process.stderr.write(`${host}: what is left there is not known (${messageOf(error)})\n`);
        return { Volumes: [] };
      });
    for (const { Name } of found.Volumes) await connectEngine(host).getVolume(Name).remove();
  }
}

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
