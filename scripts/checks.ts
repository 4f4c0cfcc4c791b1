import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { findOnPath, projectFolder } from "./setup/paths.ts";

/** What came of one check of the sources. */
export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  /** What the tool said; shown only when it found something. */
  readonly output: string;
}

interface Tool {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** For tools that name what they found and exit with 0 all the same. */
  readonly isSilentWhenOk?: true;
}

/** Type check, linter and formatter, and the shell and Go sources where their tools are installed. */
export async function runChecks(): Promise<readonly CheckResult[]> {
  return Promise.all(tools().map(run));
}

function tools(): readonly Tool[] {
  const npmTool = (name: string) => join(projectFolder, "node_modules", ".bin", name);
  const [shellcheck] = findOnPath("shellcheck");
  const [gofmt] = findOnPath("gofmt");
  // Both guess wrong when their output is collected first: what counts is where it will be shown.
  const colour = process.stderr.isTTY === true;
  return [
    { name: "types (tsc)", command: npmTool("tsc"), args: ["--noEmit", "--pretty", String(colour)] },
    {
      name: "types of the pages (tsc)",
      command: npmTool("tsc"),
      args: ["--noEmit", "--pretty", String(colour), "-p", "web"],
    },
    {
      name: "lint and format (biome)",
      command: npmTool("biome"),
      args: ["check", `--colors=${colour ? "force" : "off"}`, "."],
    },
    ...(shellcheck ? [{ name: "shell (shellcheck)", command: shellcheck, args: shellScripts() }] : []),
    ...(gofmt
      ? [{ name: "go (gofmt)", command: gofmt, args: ["-l", "tools/pulumi"], isSilentWhenOk: true as const }]
      : []),
  ];
}

async function run({ name, command, args, isSilentWhenOk }: Tool): Promise<CheckResult> {
  const started = performance.now();
  const { exitCode, all, failed, shortMessage } = await execa(command, args, {
    cwd: projectFolder,
    all: true,
    reject: false,
  });
  const output = exitCode === undefined ? (shortMessage ?? "it could not be started") : all;
  const ok = !failed && (isSilentWhenOk !== true || output.trim() === "");
  return { name, ok, seconds: (performance.now() - started) / 1000, output };
}

/** Every shell script of the images and of CI: by its name, or by its first line. */
function shellScripts(): readonly string[] {
  return ["images", ".ci"].flatMap((folder) =>
    readdirSync(join(projectFolder, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => file.endsWith(".sh") || /^#!\/bin\/(ba)?sh/.test(readFileSync(file, "utf8"))),
  );
}
