// Random transitions and faults under load, for as long as you like: npm run soak -- --minutes N [--seed S] [--stack NAME]
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { judge } from "../core/status.ts";
import type { DatabaseName } from "../core/vocabulary.ts";
import { colours } from "./cli/colours.ts";
import { main } from "./cli/main.ts";
import { type DeployedStack, readStack } from "./cli/pulumi.ts";
import { compareEverywhere } from "./load/compare.ts";
import { WritableWatcher } from "./load/writableWatcher.ts";
import { WriteLoad } from "./load/writeLoad.ts";
import { observe } from "./observe/index.ts";
import { type Act, finish, nextAct } from "./soak/acts.ts";
import { SeededRandom } from "./soak/random.ts";

const program = new Command("soak")
  .description(
    "Promotes, restores, rebuilds, kills drivers and crashes nodes at random under a write load, and proves at the end that no acknowledged write was lost or doubled, and that never two databases accepted writes. For a stack made for tests: its databases crash for real.",
  )
  .option("--stack <name>", "the stack; another than dev is always named here, because it suffers", "dev")
  .requiredOption("--minutes <number>", "how long", Number)
  .option("--seed <number>", "repeats a run's choices (default: a random one, which is printed)", Number)
  .option("--clients <number>", "writing clients", Number, 4)
  .option("--json", "print the summary as JSON")
  .addHelpText(
    "after",
    "\nExit codes: 0 nothing lost, nothing doubled, never two writable databases, every act came to its end; 1 anything else.",
  );

interface Options {
  readonly stack: string;
  readonly minutes: number;
  readonly seed?: number;
  readonly clients: number;
  readonly json?: true;
}

interface Summary {
  readonly seed: number;
  readonly acts: number;
  readonly acknowledged: number;
  readonly failedRequests: number;
  readonly longestGapSeconds: number;
  readonly lost: number;
  readonly doubled: number;
  readonly twoWritable: readonly string[];
  readonly problem: string | null;
}

/** How long a deployment may take to recover from an act, in seconds. */
const recoverySeconds = 120;

await main(async () => {
  const options = program.parse().opts<Options>();
  if (!(options.minutes > 0)) throw new Error("--minutes: give a number above 0");
  const stack = await readStack(options.stack);
  const seed = options.seed ?? randomInt(2 ** 31);
  process.stderr.write(`seed ${seed}\n`);
  const summary = await soak(stack, options, seed);
  process.stdout.write(options.json ? `${JSON.stringify(summary, null, 2)}\n` : render(summary));
  return isGood(summary) ? 0 : 1;
});

async function soak(stack: DeployedStack, options: Options, seed: number): Promise<Summary> {
  const random = new SeededRandom(seed);
  const deadline = Date.now() + options.minutes * 60_000;
  await settled(stack, "shared");
  const watcher = new WritableWatcher(stack);
  const load = await WriteLoad.start(stack, { clients: options.clients, pauseMs: 10 });
  let writable: DatabaseName = "shared";
  let acts = 0;
  let problem: string | null = null;
  try {
    while (Date.now() < deadline) {
      const act = nextAct(stack, writable, random, `soak-${seed}-${++acts}`);
      process.stderr.write(`${new Date().toISOString()} ${acts}: ${act.what}\n`);
      await perform(stack, act, load);
      writable = act.writable;
    }
    if (writable === "read-only") await finish(stack, "restore", `soak-${seed}-end`);
    await settled(stack, "shared");
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const report = await load.stop();
  await watcher.stop();
  const compared = problem === null ? Object.values(await compareEverywhere(load, stack.topology)) : [];
  return {
    seed,
    acts,
    acknowledged: report.acknowledged,
    failedRequests: report.failed.length,
    longestGapSeconds: report.writeGapSeconds,
    lost: compared.reduce((sum, { lost }) => sum + lost.length, 0),
    doubled: compared.reduce((sum, { doubled }) => sum + doubled.length, 0),
    twoWritable: watcher.twoWritable,
    problem,
  };
}

async function perform(stack: DeployedStack, act: Act, load: WriteLoad): Promise<void> {
  await act.run();
  await load.more(20);
  await settled(stack, act.writable);
}

/** Waits until one database is the writable one and the other one streams from it. */
async function settled(stack: DeployedStack, writable: DatabaseName): Promise<void> {
  const deadline = Date.now() + recoverySeconds * 1000;
  while (true) {
    const { databases, findings } = judge(stack.topology, await observe(stack.topology, stack.access));
    const isSettled = databases.every(({ name, role, streaming }) =>
      name === writable ? role === "primary" : role === "standby" && streaming === true,
    );
    if (isSettled) return;
    if (Date.now() > deadline)
      throw new Error(
        `not settled within ${recoverySeconds} s: ${findings.map(({ subject, problem }) => `${subject}: ${problem}`).join("; ")}`,
      );
    await sleep(500);
  }
}

function isGood({ lost, doubled, twoWritable, problem }: Summary): boolean {
  return lost === 0 && doubled === 0 && twoWritable.length === 0 && problem === null;
}

function render(summary: Summary): string {
  return [
    `seed ${summary.seed}: ${summary.acts} acts, ${summary.acknowledged} writes acknowledged, ${summary.failedRequests} requests failed and were sent again, longest write gap ${summary.longestGapSeconds.toFixed(1)} s`,
    `lost ${summary.lost}, doubled ${summary.doubled}, two writable databases at ${summary.twoWritable.length} moments`,
    ...(summary.problem === null ? [] : [`problem: ${summary.problem}`]),
    `verdict: ${isGood(summary) ? colours.green("passed") : colours.red("FAILED")}`,
    "",
  ].join("\n");
}
