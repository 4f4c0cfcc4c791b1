// Set-up, checks, then every test; the last line is "N passed, N failed".
//   npm test [-- --project NAME] [--json FILE] [FILE ...]
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { Command, Option } from "commander";
import { execa } from "execa";
import { runChecks } from "./checks.ts";
import { errorColours } from "./cli/colours.ts";
import { messageOf } from "./observe/container.ts";
import { projectFolder, setup } from "./setup/index.ts";
import { parts as allParts } from "./setup/parts.ts";
import { testTools } from "./setup/testTools.ts";
import { countTests, failedFiles, failedMs, type Part, sumUp, withRepeated } from "./testReport.ts";

const projects = ["unit", "integration", "fault", "kill", "browser"] as const;
type Project = (typeof projects)[number];

const program = new Command("test")
  .description("Sets up what is missing, checks the sources, runs the tests. Without arguments: everything.")
  .argument("[files...]", "only test files whose path contains one of these")
  .addOption(new Option("--project <name>", "only this project").choices(projects))
  .option("--json <file>", "write the counts of each part to a file")
  .parse();
const files = program.args;
const options = program.opts<{ project?: Project; json?: string }>();
const isWhole = files.length === 0 && options.project === undefined;

const parts: Part[] = [];
/** Files that passed only when they were run again. */
const repeated: string[] = [];
/** Nothing is run again that would not end within this time after the start, in milliseconds. */
const repeatWithinMs = 78 * 60_000;
/** What a second run takes beside its tests: a deployment of its own comes and goes. */
const repeatStartMs = 3 * 60_000;
// The tests end by themselves on a signal and clean up after themselves; their counts are still wanted here.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);
try {
  const wanted = options.project === undefined ? projects : [options.project];
  const needsTools = wanted.some((project) => project === "browser");
  const { environment, elapsedSeconds } = await setup({
    parts: needsTools ? [...allParts, ...testTools] : allParts,
  });
  console.error(errorColours.dim(`set-up: ${elapsedSeconds.toFixed(1)} s`));
  if (isWhole) parts.push(await checks());
  const onEngines = wanted.filter((project) => project !== "unit");
  if (wanted.includes("unit")) parts.push(...(await runProjects(["unit"], environment)));
  // One run, because they share a deployment.
  if (onEngines.length > 0) parts.push(...(await runProjects(onEngines, environment)));
} catch (error) {
  console.error(messageOf(error));
  parts.push({ name: "set-up", passed: 0, failed: 1, skipped: 0, seconds: 0 });
}
report();

async function checks(): Promise<Part> {
  const started = performance.now();
  const results = await runChecks();
  for (const { ok, name, output } of results) if (!ok) console.error(`${errorColours.red(name)}\n${output}`);
  const failed = results.filter(({ ok }) => !ok).length;
  return {
    name: "checks",
    passed: results.length - failed,
    failed,
    skipped: 0,
    seconds: secondsSince(started),
  };
}

/**
 * Runs projects. Engine tests measure times, and a busy host can make any of them late: files that failed are run once
 * more, each failure stays in the output, and what passed only then is named at the end. What fails twice has failed.
 */
async function runProjects(
  wanted: readonly Project[],
  environment: Record<string, string>,
): Promise<readonly Part[]> {
  const folder = mkdtempSync(join(tmpdir(), "pg-continuity-report-"));
  try {
    const first = await runVitest(wanted, files, environment, join(folder, "report.json"));
    // With a filter there may be nothing to run, and then no report is written.
    if (first.text === undefined && first.exitCode === 0 && files.length > 0) return [];
    const failed = first.text === undefined ? [] : failedFiles(first.text);
    const endsAt =
      performance.now() + repeatStartMs + 1.2 * (first.text === undefined ? 0 : failedMs(first.text));
    const mayRepeat = !wanted.includes("unit") && endsAt < repeatWithinMs;
    if (first.text === undefined || failed.length === 0 || !mayRepeat)
      return countTests(first.text, first.exitCode, wanted);
    const again = failed.map((path) => relative(projectFolder, path));
    console.error(`${errorColours.yellow("run again, because they failed")}: ${again.join(", ")}`);
    const second = await runVitest(wanted, again, environment, join(folder, "repeated.json"));
    if (second.text === undefined) return countTests(first.text, first.exitCode, wanted);
    const text = withRepeated(first.text, second.text);
    const still = failedFiles(text);
    repeated.push(...again.filter((_, index) => !still.includes(failed[index] ?? "")));
    return countTests(text, still.length === 0 ? second.exitCode : 1, wanted);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runVitest(
  wanted: readonly Project[],
  selected: readonly string[],
  environment: Record<string, string>,
  reportFile: string,
): Promise<{ readonly exitCode: number | undefined; readonly text: string | undefined }> {
  const { exitCode } = await execa(
    process.execPath,
    [
      join(projectFolder, "node_modules/vitest/vitest.mjs"),
      ...["run", "--reporter=default", "--reporter=./test/support/failuresAtOnce.ts", "--reporter=json"],
      ...wanted.flatMap((project) => ["--project", project]),
      ...[
        `--outputFile.json=${reportFile}`,
        ...(selected.length > 0 ? ["--passWithNoTests"] : []),
        ...selected,
      ],
    ],
    { cwd: projectFolder, env: environment, stdio: "inherit", reject: false, cleanup: true },
  );
  return { exitCode, text: existsSync(reportFile) ? readFileSync(reportFile, "utf8") : undefined };
}

function report(): void {
  const sum = sumUp(parts);
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ ...sum, parts }, null, 2)}\n`);
  for (const { name, passed, failed, skipped, seconds } of parts)
    console.log(
      `${name}: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""} in ${seconds.toFixed(1)} s`,
    );
  if (repeated.length > 0) console.log(`passed only when run again: ${repeated.join(", ")}`);
  process.exitCode = sum.failed === 0 ? 0 : 1;
  console.log(`${sum.passed} passed, ${sum.failed} failed`);
}

function secondsSince(started: number): number {
  return Math.round(performance.now() - started) / 1000;
}
