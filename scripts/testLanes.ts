import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "./setup/paths.ts";

/** A test file of the project: its path in the project's folder, and its text. */
export interface TestFile {
  readonly path: string;
  readonly text: string;
}

/**
 * The files that may run beside each other: those that use the deployment which the files of a run share have to come
 * one after the other, those that make a deployment of their own go beside them. One of each at a time is what two
 * processors bear without making the clocks of the tests go wrong.
 *
 * @returns one or two lists of paths, none of them empty; the order of the files is kept
 */
export function lanesOf(files: readonly TestFile[]): readonly (readonly string[])[] {
  const isShared = ({ text }: TestFile) => text.includes("Deployment.shared()");
  return [files.filter(isShared), files.filter((file) => !isShared(file))]
    .map((lane) => lane.map(({ path }) => path))
    .filter((lane) => lane.length > 0);
}

/**
 * The test files of projects, each project's folder in its turn.
 *
 * @param wanted only those whose path contains one of these; everything if empty
 */
export function testFiles(projects: readonly string[], wanted: readonly string[]): readonly TestFile[] {
  return projects
    .flatMap((project) =>
      readdirSync(join(projectFolder, "test", project), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".test.ts"))
        .sort()
        .map((name) => join("test", project, name)),
    )
    .filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)))
    .map((path) => ({ path, text: readFileSync(join(projectFolder, path), "utf8") }));
}
