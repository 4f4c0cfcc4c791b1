import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from "vitest/node";

/**
 * Says why a test has failed as soon as it has, or what is done before and after tests. Vitest's own reporter tells it at
 * the end of the run, which for tests on engines may be half an hour away, or never come.
 */
export default class FailuresAtOnce implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (result.state === "failed") tell(`${test.module.relativeModuleId} > ${test.fullName}`, result.errors);
  }

  onTestSuiteResult(suite: TestSuite): void {
    tell(`${suite.module.relativeModuleId} > ${suite.fullName}`, suite.errors());
  }

  onTestModuleEnd(module: TestModule): void {
    tell(module.relativeModuleId, module.errors());
  }
}

function tell(where: string, errors: readonly SerializedError[]): void {
  for (const { message, diff, stack } of errors) {
    const place =
      stack
        ?.split("\n")
        .find((line) => line.includes("/test/"))
        ?.trim() ?? "";
    process.stdout.write(`\nFAILED ${where}\n${message}\n${place}\n${diff ? `${diff}\n` : ""}`);
  }
}
