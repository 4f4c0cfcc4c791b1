import { expect, it } from "vitest";
import { ProblemsError, renderProblems } from "../../core/problems.ts";

const first = { path: "a:b", value: '"x"', reason: "is no y", remedy: "Set it." };
const second = { path: "docker", reason: "does not answer", remedy: "Start it." };

it("one problem is one line: path, value, reason, remedy", () => {
  expect(renderProblems([first])).toBe('a:b: "x" is no y. Set it.');
  expect(renderProblems([second])).toBe("docker: does not answer. Start it.");
});

it("several problems are counted and listed", () => {
  expect(renderProblems([first, second])).toBe(
    '2 problems, nothing was changed:\n  - a:b: "x" is no y. Set it.\n  - docker: does not answer. Start it.',
  );
});

it("the error holds its problems and says them", () => {
  const error = new ProblemsError([first]);
  expect(error.problems).toEqual([first]);
  expect(error.message).toBe(renderProblems([first]));
});
