import { z } from "zod";

/** The tests of one project, counted. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** One part of the run and what came of it. */
export interface Part extends Counts {
  readonly name: string;
  readonly seconds: number;
}

/** What is counted of vitest's JSON report. Times are milliseconds since the epoch. */
const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      startTime: z.number(),
      endTime: z.number(),
      assertionResults: z.array(z.object({ status: z.string() })),
    }),
  ),
});

/**
 * Counts what a run of vitest has to say, for each project: a test file belongs to the project whose folder it is in.
 * Nothing that went wrong is left out: a file that could not be loaded or whose `beforeAll` failed counts as one
 * failure, and so does a run that failed without naming any test.
 *
 * @param report text of vitest's JSON report; undefined when there is none
 * @param exitCode of vitest
 * @param projects those that were run, in their order
 */
export function countTests(
  report: string | undefined,
  exitCode: number | undefined,
  projects: readonly string[],
): readonly Part[] {
  const failedAsWhole = { name: projects.join(" and "), passed: 0, failed: 1, skipped: 0, seconds: 0 };
  if (report === undefined) return [failedAsWhole];
  const { testResults } = reportSchema.parse(JSON.parse(report));
  const parts = projects.map((name) => {
    const part = { name, passed: 0, failed: 0, skipped: 0, seconds: 0 };
    for (const file of testResults.filter((result) => result.name.includes(`/test/${name}/`))) {
      const failed = file.assertionResults.filter(({ status }) => status === "failed").length;
      const passed = file.assertionResults.filter(({ status }) => status === "passed").length;
      part.passed += passed;
      part.failed += failed === 0 && file.status === "failed" ? 1 : failed;
      part.skipped += file.assertionResults.length - failed - passed;
      part.seconds += (file.endTime - file.startTime) / 1000;
    }
    return part;
  });
  return exitCode !== 0 && parts.every(({ failed }) => failed === 0) ? [...parts, failedAsWhole] : parts;
}

/** Paths of the files of a report of vitest with at least one failure. */
export function failedFiles(report: string): readonly string[] {
  return reportSchema
    .parse(JSON.parse(report))
    .testResults.filter(({ status }) => status === "failed")
    .map(({ name }) => name);
}

/** How long the failed files of a report took together, in milliseconds. */
export function failedMs(report: string): number {
  return reportSchema
    .parse(JSON.parse(report))
    .testResults.filter(({ status }) => status === "failed")
    .reduce((sum, { startTime, endTime }) => sum + endTime - startTime, 0);
}

/** A report in which files that were run again have the result of their second run. */
export function withRepeated(report: string, repeated: string): string {
  const again = reportSchema.parse(JSON.parse(repeated)).testResults;
  const first = reportSchema.parse(JSON.parse(report)).testResults;
  const kept = first.filter(({ name }) => again.every((file) => file.name !== name));
  return JSON.stringify({ testResults: [...kept, ...again] });
}

/** Adds up; no tests at all is a failure, because then nothing was proven. */
export function sumUp(all: readonly Counts[]): Counts {
  const sum = all.reduce(
    (total, { passed, failed, skipped }) => ({
      passed: total.passed + passed,
      failed: total.failed + failed,
      skipped: total.skipped + skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  );
  return sum.passed + sum.failed === 0 ? { ...sum, failed: 1 } : sum;
}
