import type { Reporter, TestCase } from "vitest/node";

/**
 * Says why a test has failed as soon as it has. Vitest's own reporter tells it at the end of the run, which for tests on
 * engines may be half an hour away, or never come.
 */
export default class FailuresAtOnce implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (result.state !== "failed") return;
    for (const { message, diff, stack } of result.errors) {
      const place =
        stack
          ?.split("\n")
          .find((line) => line.includes("/test/"))
          ?.trim() ?? "";
      process.stdout.write(
        `\nFAILED ${test.module.relativeModuleId} > ${test.fullName}\n${message}\n${place}\n`,
      );
      if (diff) process.stdout.write(`${diff}\n`);
    }
  }
}
