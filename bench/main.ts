// Measures this project on this machine, with a stack of its own beside whatever runs.
//   npm run bench [-- SUITE ...] [--runs N] [--json FILE]
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { Argument, Command } from "commander";
import { execa } from "execa";
import { colours, errorColours } from "../scripts/cli/colours.ts";
import { main } from "../scripts/cli/main.ts";
import { newTable } from "../scripts/cli/statusTable.ts";
import { figuresOf, secondsText } from "../scripts/drill/figures.ts";
import { setup } from "../scripts/setup/index.ts";
import { OwnStack } from "../test/support/ownStack.ts";
import { reap, startReaper } from "../test/support/run.ts";
import { deploy } from "./deploy.ts";
import { pages } from "./pages.ts";
import { server } from "./server.ts";
import type { Measurement, Suite } from "./suite.ts";
import { transitions } from "./transitions.ts";

const suites: readonly Suite[] = [deploy, transitions, server, pages];

const program = new Command("bench")
  .description(
    ["Measures this project on this machine, beside whatever runs.", "", "Suites:"]
      .concat(suites.map(({ name, description }) => `  ${name}  ${description}`))
      .join("\n"),
  )
  .addArgument(
    new Argument("[suites...]", "what to measure (default: all)").choices(suites.map(({ name }) => name)),
  )
  .option("--runs <number>", "how often each is measured", Number, 5)
  .option("--json <file>", "write the figures to a file")
  .addHelpText("after", "\nExit codes: 0 every target was met, 1 an error, 5 a target was missed.");

await main(async () => {
  const options = program.parse().opts<{ runs: number; json?: string }>();
  const wanted = suites.filter(({ name }) => program.args.length === 0 || program.args.includes(name));
  await setup();
  // What setup has written would else be written to the disk while something is measured, half a minute later.
  await execa("sync");
  const results: { suite: string; measurements: readonly Measurement[] }[] = [];
  for (const suite of wanted)
    results.push({ suite: suite.name, measurements: await runSuite(suite, options.runs) });

  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model.trim() ?? "unknown processor"}, ${Math.round(totalmem() / 1024 ** 3)} GB`;
  const all = results.flatMap(({ measurements }) => measurements);
  process.stdout.write(`${render(all)}\n${colours.dim(`on ${machine}, Node.js ${process.versions.node}`)}\n`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ machine, results }, null, 2)}\n`);
  return all.every(isWithinTarget) ? 0 : 5;
});

/** Runs a suite on a stack of its own, which is gone afterwards, also after a failure or a signal. */
async function runSuite(suite: Suite, runs: number): Promise<readonly Measurement[]> {
  const prefix = `test-bench${randomBytes(3).toString("hex")}`;
  const folder = mkdtempSync(join(tmpdir(), `pg-continuity-${prefix}-`));
  const release = startReaper({ prefix, folder });
  try {
    const stack = await OwnStack.of({ prefix, folder }, suite.name);
    const say = (line: string) => process.stderr.write(`${errorColours.dim(`${suite.name}: ${line}`)}\n`);
    return await suite.run({ stack, runs, say });
  } finally {
    await reap(prefix);
    rmSync(folder, { recursive: true, force: true });
    release();
  }
}

function render(all: readonly Measurement[]): string {
  const table = newTable(["measured", "n", "min", "median", "p95", "max", "median ≤", "p95 ≤", ""]);
  for (const measurement of all) {
    const figures = figuresOf(measurement.seconds);
    const { targetSeconds, p95TargetSeconds } = measurement;
    table.push([
      measurement.what,
      figures?.count ?? 0,
      ...[figures?.min, figures?.p50, figures?.p95, figures?.max].map(secondsText),
      ...[targetSeconds, p95TargetSeconds].map(secondsText),
      isWithinTarget(measurement) ? colours.green("ok") : colours.red("missed"),
    ]);
  }
  const details = all.map(
    ({ what, parts }) =>
      `${what}: ${parts.map(({ name, seconds }) => `${name} ${seconds.toFixed(2)} s`).join(", ")}`,
  );
  return [
    table.toString(),
    "Where the time of the median run goes:",
    ...details.map((line) => `  ${line}`),
  ].join("\n");
}

function isWithinTarget({ seconds, targetSeconds, p95TargetSeconds }: Measurement): boolean {
  const { p50 = Number.POSITIVE_INFINITY, p95 = Number.POSITIVE_INFINITY } = figuresOf(seconds) ?? {};
  return (
    p50 <= (targetSeconds ?? Number.POSITIVE_INFINITY) &&
    p95 <= (p95TargetSeconds ?? Number.POSITIVE_INFINITY)
  );
}
