import { existsSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Context } from "./context.ts";
import { download, officialCliUrl } from "./download.ts";
import { messageOf, SetupError } from "./errors.ts";
import { buildProgram, goPrograms, makeWorkFolder, sourceHash } from "./goBuild.ts";
import type { Finding, Part, Report } from "./part.ts";
import { findOnPath, isExecutable, isWrapper, pulumiBinFolder } from "./paths.ts";
import { pins } from "./pins.ts";
import { findVersion, isAtLeast } from "./versions.ts";

type CliProgram = "pulumi" | "pulumi-language-nodejs";

const stampFile = join(pulumiBinFolder, ".pg-continuity-builds.json");
const stampSchema = z.record(z.string(), z.string());

/** Every Pulumi CLI of this machine: those on the PATH in its order, then the official installer's place. */
export function pulumiCandidates(environment: NodeJS.ProcessEnv = process.env): string[] {
  const installed = join(pulumiBinFolder, "pulumi");
  const onPath = findOnPath("pulumi", environment.PATH).filter((file) => !isWrapper(file));
  return [...new Set([...onPath, ...(isExecutable(installed) ? [installed] : [])])];
}

/** The Pulumi CLI with the host for programs in Node.js. */
export const pulumiCli: Part = {
  name: "pulumi cli",
  wanted: `≥ ${pins.pulumi}`,
  after: [],
  async probe(context) {
    const looks = await Promise.all(pulumiCandidates(context.env).map((file) => look(context, file)));
    return (
      looks.find((finding) => finding.isReady) ??
      looks[0] ?? { isReady: false, remedy: 'run "npm run setup"' }
    );
  },
  async provide(context, report) {
    if (await installOfficial(context, report)) return;
    for (const program of ["pulumi-language-nodejs", "pulumi"] as const) {
      if (!isBuilt(program)) await installBuilt(context, report, program);
    }
  },
};

async function look(context: Context, file: string): Promise<Finding> {
  const result = await context.run(file, ["version"], {
    timeoutSeconds: 20,
    env: { PULUMI_SKIP_UPDATE_CHECK: "true" },
  });
  const found = findVersion(result.stdout);
  const remedy = 'run "npm run setup"';
  if (!result.ok || !found) return { isReady: false, where: file, remedy };
  if (!isAtLeast(found, pins.pulumi)) return { isReady: false, found, where: file, remedy };
  const hasHost =
    isExecutable(join(dirname(realpathSync(file)), "pulumi-language-nodejs")) ||
    findOnPath("pulumi-language-nodejs", context.env.PATH).length > 0;
  if (!hasHost) return { isReady: false, found: `${found}, without its Node.js host`, where: file, remedy };
  if (file === join(pulumiBinFolder, "pulumi") && isOutdatedBuild()) {
    return { isReady: false, found: `${found}, built from other sources`, where: file, remedy };
  }
  const isBuiltHere = dirname(file) === pulumiBinFolder && isBuilt("pulumi");
  return { isReady: true, found: isBuiltHere ? `${found} (built here)` : found, where: file };
}

async function installOfficial(context: Context, report: Report): Promise<boolean> {
  if (!(await context.hasInternet())) return false;
  const work = makeWorkFolder(pulumiBinFolder);
  try {
    const archive = join(work, "pulumi.tar.gz");
    report(`downloading Pulumi ${pins.pulumi}`);
    await download(context, officialCliUrl(pins.pulumi), archive);
    const unpacked = await context.run("tar", ["-xzf", archive, "-C", work, "--strip-components=1"]);
    if (!unpacked.ok) throw new Error(`the archive cannot be unpacked: ${unpacked.failure}`);
    // The CLI last: as long as it is not there, nothing takes the installation for complete.
    const programs = readProgramNames(work).sort((a, b) => Number(a === "pulumi") - Number(b === "pulumi"));
    for (const program of programs) renameSync(join(work, program), join(pulumiBinFolder, program));
    return true;
  } catch (error) {
    context.throwIfInterrupted();
    context.log.write(`official Pulumi CLI: ${messageOf(error)}; building it instead`);
    return false;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function readProgramNames(folder: string): string[] {
  const names = ["pulumi", "pulumi-language-nodejs"];
  const missing = names.filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0) throw new Error(`the archive has no ${missing.join(" and no ")}`);
  return names;
}

async function installBuilt(context: Context, report: Report, program: CliProgram): Promise<void> {
  const work = makeWorkFolder(pulumiBinFolder);
  try {
    const output = join(work, program);
    await buildProgram(context, report, pulumiCli.name, goPrograms[program], output);
    const check = await context.run(output, program === "pulumi" ? ["version"] : ["-h"]);
    if (check.exitCode === undefined || check.exitCode > 2) {
      throw new SetupError(
        pulumiCli.name,
        `the ${program} just built does not run: ${check.failure}`,
        "See the log",
      );
    }
    // Stamp first, then the file: whatever of the two an interruption leaves, the file is recognised by its identity.
    writeStamps({ ...readStamps(), [identity(output)]: sourceHash(goPrograms[program]) });
    renameSync(output, join(pulumiBinFolder, program));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Whether the program in the official place was built by setup, from the present sources. */
function isBuilt(program: CliProgram): boolean {
  const file = join(pulumiBinFolder, program);
  return isExecutable(file) && readStamps()[identity(file)] === sourceHash(goPrograms[program]);
}

/** Whether one of the programs was built by setup, from sources that have changed since. */
function isOutdatedBuild(): boolean {
  const stamps = readStamps();
  return (["pulumi", "pulumi-language-nodejs"] as const).some((program) => {
    const file = join(pulumiBinFolder, program);
    const builtFrom = isExecutable(file) ? stamps[identity(file)] : undefined;
    return builtFrom !== undefined && builtFrom !== sourceHash(goPrograms[program]);
  });
}

/** What tells one build of a program from another, without reading all of it. */
function identity(file: string): string {
  const { size, mtimeMs } = statSync(file);
  return `${size}-${Math.trunc(mtimeMs)}`;
}

function readStamps(): Record<string, string> {
  if (!existsSync(stampFile)) return {};
  return stampSchema.parse(JSON.parse(readFileSync(stampFile, "utf8")));
}

function writeStamps(stamps: Record<string, string>): void {
  const newest = Object.entries(stamps).slice(-6);
  const temporary = `${stampFile}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(Object.fromEntries(newest), undefined, 2)}\n`);
  renameSync(temporary, stampFile);
}
