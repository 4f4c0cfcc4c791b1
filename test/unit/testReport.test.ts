import { expect, it } from "vitest";
import { countTests, failedFiles, failedMs, sumUp, withRepeated } from "../../scripts/testReport.ts";

function report(...files: readonly { status: string; tests: readonly string[]; project?: string }[]): string {
  return JSON.stringify({
    testResults: files.map(({ status, tests, project = "unit" }) => ({
      name: `/anywhere/test/${project}/a.test.ts`,
      status,
      startTime: 1000,
      endTime: 1500,
      assertionResults: tests.map((test) => ({ status: test })),
    })),
  });
}

it.each([
  ["all good", report({ status: "passed", tests: ["passed", "passed"] }), 0, [2, 0, 0]],
  ["one fails", report({ status: "failed", tests: ["passed", "failed"] }), 1, [1, 1, 0]],
  ["a file cannot be loaded", report({ status: "failed", tests: [] }), 1, [0, 1, 0]],
  ["beforeAll fails", report({ status: "failed", tests: ["skipped", "skipped"] }), 1, [0, 1, 2]],
  ["an error outside of any test", report({ status: "passed", tests: ["passed"] }), 1, [1, 1, 0]],
  ["no report", undefined, 1, [0, 1, 0]],
  ["killed", report({ status: "passed", tests: ["passed"] }), undefined, [1, 1, 0]],
] as const)("%s", (_name, text, exitCode, [passed, failed, skipped]) => {
  expect(sumUp(countTests(text, exitCode, ["unit"]))).toEqual({ passed, failed, skipped });
});

it("no tests at all is a failure", () => {
  expect(sumUp([])).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(sumUp([{ passed: 0, failed: 0, skipped: 3 }]).failed).toBe(1);
});

it("parts are added up", () => {
  expect(
    sumUp([
      { passed: 1, failed: 2, skipped: 3 },
      { passed: 4, failed: 0, skipped: 1 },
    ]),
  ).toEqual({ passed: 5, failed: 2, skipped: 4 });
});

it("each project has its own counts and seconds", () => {
  const text = report(
    { status: "passed", tests: ["passed"], project: "integration" },
    { status: "failed", tests: ["failed", "passed"], project: "fault" },
    { status: "passed", tests: ["passed"], project: "fault" },
  );
  expect(countTests(text, 1, ["integration", "fault"])).toEqual([
    { name: "integration", passed: 1, failed: 0, skipped: 0, seconds: 0.5 },
    { name: "fault", passed: 2, failed: 1, skipped: 0, seconds: 1 },
  ]);
});

it("a file that was run again has the result of its second run, the others keep theirs", () => {
  const file = (name: string, status: string) => ({
    name,
    status,
    startTime: 1000,
    endTime: 2000,
    assertionResults: [{ status }],
  });
  const first = JSON.stringify({
    testResults: [file("a", "failed"), file("b", "failed"), file("c", "passed")],
  });
  expect(failedFiles(first)).toEqual(["a", "b"]);
  expect(failedMs(first)).toBe(2000);
  const text = withRepeated(first, JSON.stringify({ testResults: [file("a", "passed")] }));
  expect(failedFiles(text)).toEqual(["b"]);
  expect(JSON.parse(text).testResults).toHaveLength(3);
});
