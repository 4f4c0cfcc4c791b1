import { z } from "zod";

/** The tests of one project, counted. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The part of vitest's JSON report that is counted. */
const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.object({ status: z.string() })),
    }),
  ),
});

/**
 * Counts what a run of vitest has to say. Nothing that went wrong is left out: a file that could not be loaded or
 * whose `beforeAll` failed counts as one failure, and so does a run that failed without naming any test.
 *
 * @param report text of vitest's JSON report; undefined when there is none
 * @param exitCode of vitest
 */
export function countTests(report: string | undefined, exitCode: number | undefined): Counts {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const { testResults } = reportSchema.parse(JSON.parse(report));
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of testResults) {
    const failed = file.assertionResults.filter(({ status }) => status === "failed").length;
    const passed = file.assertionResults.filter(({ status }) => status === "passed").length;
    counts.passed += passed;
    counts.failed += failed === 0 && file.status === "failed" ? 1 : failed;
    counts.skipped += file.assertionResults.length - failed - passed;
  }
  if (counts.failed === 0 && exitCode !== 0) counts.failed = 1;
  return counts;
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
