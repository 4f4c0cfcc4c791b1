// From whatever there is to a running stack: set-up, `pulumi up`, proof that it works, and a table of what runs where.
//   npm run up [-- --stack NAME]
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Command } from "commander";
import { execa } from "execa";
import type { Status } from "../core/status.ts";
import { errorColours } from "./cli/colours.ts";
import { main, stackName } from "./cli/main.ts";
import { type DeployedStack, explain, projectName, readDeployed, readStack } from "./cli/pulumi.ts";
import { pulumiEnvironment, setup } from "./setup/index.ts";
import type { Check } from "./verifyDeployment.ts";

const program = new Command("up")
  .description("Sets up what is missing, applies the stack, proves that it works and shows what runs where.")
  .option("--stack <name>", "the stack (default: dev)")
  .option("--json", "print the final status as JSON")
  .addHelpText(
    "after",
    "\nExit codes: 0 applied and working, 1 an error, 3 applied, but something is not as declared.",
  );

/** What `pulumi up` says when it has changed no resource. */
const unchanged = /^Resources:\s*\n\s*\d+ unchanged\s*$/m;

/** How long, in seconds, what was just connected or started may take to be what it has to be. */
const settlingSeconds = 10;

await main(async () => {
  const options = program.parse().opts<{ stack?: string; json?: true }>();
  const name = stackName(options.stack);
  const { before, isSelected } = await setUp(name);
  const { forgetRemoved } = await import("./heal/index.ts");
  if (before) await forgetRemoved(name, before.topology, tell);
  const isUnchanged = await applyStack(name, { isSelected, isJson: options.json === true });
  const { stack, checks, status } = await proveStack(name, isUnchanged ? before : null);

  for (const { what, ok, detail } of checks)
    process.stderr.write(
      `${ok ? errorColours.green("ok    ") : errorColours.red("failed")} ${what}: ${detail}\n`,
    );
  const { renderStatus } = await import("./cli/statusTable.ts");
  process.stdout.write(options.json ? `${JSON.stringify(status, null, 2)}\n` : `\n${renderStatus(status)}\n`);
  const { rotationFindings } = await import("../core/rotationFindings.ts");
  for (const { subject, problem, remedy } of rotationFindings(stack.settings.credentials))
    process.stderr.write(`${errorColours.yellow("note  ")} ${subject} ${problem}. ${remedy}\n`);
  process.stderr.write(
    `\nGateway: ${stack.gatewayUrl}   token: pulumi stack output adminToken --show-secrets\n`,
  );
  return checks.every(({ ok }) => ok) && status.verdict === "ok" ? 0 : 3;
});

function tell(done: string): void {
  process.stderr.write(`healed: ${done}\n`);
}

/**
 * Finds or provides the tools, and reads the stack as it was deployed last. Mostly all is there: so the stack is read,
 * and the rest of this program is loaded, while set-up still looks.
 *
 * @returns `before`: null where there was no such stack; `isSelected`: plain `pulumi` works on it
 */
async function setUp(
  name: string,
): Promise<{ readonly before: DeployedStack | null; readonly isSelected: boolean }> {
  // Whatever fails here is asked again after the set-up, which says what is wrong first.
  const early = readDeployed(name).catch(() => undefined);
  const selected = selectStack(name).catch(() => false);
  const [{ provided }] = await Promise.all([
    setup(),
    import("./heal/index.ts"),
    import("./verifyDeployment.ts"),
  ]);
  const before = provided.length === 0 ? await early : undefined;
  return {
    isSelected: await selected,
    before: before === undefined ? await readDeployed(name) : before,
  };
}

/**
 * Sets right what has drifted, then tries the main job and looks at everything.
 *
 * @param expected the stack where nothing was changed; it is used while the outputs are read, and again if they differ
 */
async function proveStack(
  name: string,
  expected: DeployedStack | null,
): Promise<{
  readonly stack: DeployedStack;
  readonly checks: readonly Check[];
  readonly status: Status;
}> {
  const reading = readStack(name);
  // Awaited further down: a failure before that must not end the process.
  reading.catch(() => undefined);
  if (expected) {
    const proof = await prove(expected);
    if (isDeepStrictEqual(await reading, expected)) return { stack: expected, ...proof };
  }
  const stack = await reading;
  return { stack, ...(await prove(stack)) };
}

async function prove(
  stack: DeployedStack,
): Promise<{ readonly checks: readonly Check[]; readonly status: Status }> {
  const [{ heal }, { verifyDeployment, replicationChecks }, { observe }, { judge }] = await Promise.all([
    import("./heal/index.ts"),
    import("./verifyDeployment.ts"),
    import("./observe/index.ts"),
    import("../core/status.ts"),
  ]);
  for (const failure of await heal(stack.topology, tell))
    process.stderr.write(`${errorColours.red("not healed")} ${failure}\n`);
  const checks = await verifyDeployment(stack);
  const deadline = Date.now() + settlingSeconds * 1000;
  while (true) {
    const observation = await observe(stack.topology, stack.access);
    const status = judge(stack.topology, observation);
    if (!isSettling(status) || Date.now() > deadline)
      return { checks: [...checks, ...replicationChecks(stack.topology, observation)], status };
    await sleep(200);
  }
}

/** Whether a server may only have to find the writable database, or the end of a transition: both take a moment. */
function isSettling({ databases, servers }: Status): boolean {
  const isWritable = databases.some(({ role }) => role === "primary");
  return (
    isWritable && servers.some(({ reachable, role, expectedRole }) => reachable && role !== expectedRole)
  );
}

/** Makes the stack the one that plain `pulumi` works on. @returns whether there is such a stack */
async function selectStack(name: string, ...options: readonly string[]): Promise<boolean> {
  const selected = await execa("pulumi", ["stack", "select", ...options, name, "--non-interactive"], {
    env: pulumiEnvironment(),
    reject: false,
  });
  if (selected.failed && options.length > 0) throw new Error(explain(selected.stderr));
  return !selected.failed;
}

/**
 * Creates the stack where there is none, then `pulumi up`, its output as it comes; standard output is kept for JSON.
 *
 * @returns whether it has found nothing to change
 */
async function applyStack(
  name: string,
  { isSelected, isJson }: { readonly isSelected: boolean; readonly isJson: boolean },
): Promise<boolean> {
  if (!isSelected) await selectStack(name, "--create");
  if (!existsSync(`Pulumi.${name}.yaml`))
    process.stderr.write(`stack ${name} has no Pulumi.${name}.yaml: every setting has its default\n`);
  const { clearDeadLocks } = await import("./cli/deadLock.ts");
  for (const { pid, since } of clearDeadLocks(projectName, name))
    process.stderr.write(`removed the lock of a pulumi that was killed (process ${pid}, since ${since})\n`);
  const up = await execa(
    "pulumi",
    ["up", "--yes", "--skip-preview", "--non-interactive", "--suppress-outputs", "--stack", name],
    {
      env: pulumiEnvironment(),
      reject: false,
      stdin: "ignore",
      stdout: [isJson ? process.stderr : "inherit", "pipe"],
      stderr: ["inherit", "pipe"],
    },
  );
  if (!up.failed) return unchanged.test(up.stdout);
  const output = `${up.stdout}\n${up.stderr}`;
  const explained = explain(output);
  throw new Error(
    explained === output.trim()
      ? "pulumi up failed, see above. Nothing is lost: correct it and run this again."
      : explained,
  );
}
