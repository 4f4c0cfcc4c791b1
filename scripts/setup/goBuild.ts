import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import type { Context } from "./context.ts";
import { SetupError } from "./errors.ts";
import type { Report } from "./part.ts";
import { findOnPath, projectFolder } from "./paths.ts";
import { pins } from "./pins.ts";
import { findVersion, isAtLeast } from "./versions.ts";

/** A program that tools/pulumi builds where it cannot be downloaded. */
export interface GoProgram {
  /** Folder below tools/pulumi. */
  readonly module: string;
  /** Package to build. */
  readonly package: string;
  /** Variable that the linker sets, and its value. */
  readonly variable: string;
  readonly version: string;
  readonly tags?: string;
  /**
   * A command cannot be imported: its sources are copied out of this module (path, folder in it) into `generated`,
   * beside the files of `host`, and built there.
   */
  readonly extends?: { readonly module: string; readonly folder: string };
}

const pulumiVersion = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";

export const goPrograms = {
  pulumi: {
    module: "cli",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    variable: pulumiVersion,
    version: `v${pins.pulumi}`,
  },
  "pulumi-language-nodejs": {
    module: "language-nodejs",
    package: "./generated",
    extends: { module: "github.com/pulumi/pulumi/sdk/v3", folder: "nodejs/cmd/pulumi-language-nodejs" },
    variable: pulumiVersion,
    version: `v${pins.languageHost}`,
  },
  "pulumi-resource-docker": {
    module: "docker",
    package: ".",
    variable: "main.version",
    version: pins.plugins.docker,
    // Leaves out the resource for Docker Compose, which this project has no use for: half of the dependencies.
    tags: "no_compose",
  },
  "pulumi-resource-command": {
    module: "command",
    package: ".",
    variable: "main.version",
    version: pins.plugins.command,
  },
} as const satisfies Record<string, GoProgram>;

/** Arguments of `go` that build the program: small (no symbols) and the same on every machine (no paths). */
export function buildArguments(program: GoProgram, output: string): string[] {
  return [
    "build",
    "-v",
    "-mod=readonly",
    "-trimpath",
    ...(program.tags ? ["-tags", program.tags] : []),
    "-ldflags",
    `-s -w -X ${program.variable}=${program.version}`,
    "-o",
    output,
    program.package,
  ];
}

/** Hash of all that the program is built from: its module's files and the arguments of the build. */
export function sourceHash(program: GoProgram, toolsFolder = join(projectFolder, "tools", "pulumi")): string {
  const folder = join(toolsFolder, program.module);
  const hash = createHash("sha256").update(buildArguments(program, "").join("\0"));
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.parentPath.endsWith("generated"))
    .filter((entry) => entry.isFile() && (entry.name.endsWith(".go") || /^go\.(mod|sum)$/.test(entry.name)))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of files) hash.update(`\0${relative(folder, file)}\0`).update(readFileSync(file));
  return hash.digest("hex");
}

/** The build that runs now: a second one beside it would only take its memory, each uses every processor. */
let building: Promise<void> = Promise.resolve();

/** Builds the program to the file `output`, which is complete or absent afterwards. One at a time. */
export function buildProgram(...args: Parameters<typeof build>): Promise<void> {
  const turn = building.catch(() => undefined).then(() => build(...args));
  building = turn;
  return turn;
}

async function build(
  context: Context,
  report: Report,
  part: string,
  program: GoProgram,
  output: string,
): Promise<void> {
  const go = await findGo(context, part);
  const cwd = join(projectFolder, "tools", "pulumi", program.module);
  let compiled = 0;
  report(`building ${program.module} ${program.version} from Go modules`);
  if (program.extends) await copySources(context, go, part, cwd, program.extends);
  const result = await context.run(go, buildArguments(program, output), {
    cwd,
    env: {
      CGO_ENABLED: "0",
      GOWORK: "off",
      GOFLAGS: [context.env.GOFLAGS, "-buildvcs=false"].filter(Boolean).join(" "),
    },
    onLine: (line) => {
      if (line.startsWith("go: downloading")) report(`building ${program.module}: ${line.slice(4)}`);
      else report(`building ${program.module}: ${++compiled} packages compiled`);
    },
  });
  if (!result.ok || !existsSync(output) || statSync(output).size === 0) {
    rmSync(output, { force: true });
    const remedy =
      "Check the Go module proxy (go env GOPROXY) and the free disk space (the build needs about 4 GB), then run this again";
    throw new SetupError(
      part,
      `"go build" in tools/pulumi/${program.module} failed: ${result.failure}`,
      remedy,
    );
  }
}

/** Fills the module's folder `generated` with the sources of the command it extends and its own from `host`. */
async function copySources(
  context: Context,
  go: string,
  part: string,
  cwd: string,
  source: { readonly module: string; readonly folder: string },
): Promise<void> {
  const fetched = await context.run(go, ["mod", "download", "-json", source.module], {
    cwd,
    env: { GOWORK: "off" },
  });
  if (!fetched.ok)
    throw new SetupError(
      part,
      `${source.module} cannot be fetched: ${fetched.failure}`,
      "Check the Go module proxy (go env GOPROXY), then run this again",
    );
  const { Dir } = z.object({ Dir: z.string() }).parse(JSON.parse(fetched.stdout));
  const generated = join(cwd, "generated");
  rmSync(generated, { recursive: true, force: true });
  mkdirSync(generated);
  for (const folder of [join(Dir, source.folder), join(cwd, "host")]) {
    for (const name of readdirSync(folder)) {
      if (name.endsWith(".go") && !name.endsWith("_test.go"))
        writeFileSync(join(generated, name), readFileSync(join(folder, name)));
    }
  }
}

async function findGo(context: Context, part: string): Promise<string> {
  const remedy =
    `Install Pulumi ${pins.pulumi} or newer (https://www.pulumi.com/docs/install/), ` +
    `or Go ${pins.go} or newer, with which setup builds it`;
  const [go] = findOnPath("go", context.env.PATH);
  if (!go)
    throw new SetupError(part, "it cannot be downloaded here, and there is no Go to build it with", remedy);
  const version =
    findVersion((await context.run(go, ["version"])).stdout.replace("go version go", "")) ?? "unknown";
  if (!isAtLeast(version, pins.go)) {
    throw new SetupError(
      part,
      `it cannot be downloaded here, and Go ${version} is too old to build it`,
      remedy,
    );
  }
  return go;
}

/** A folder for unfinished work beside where it will go; what interrupted runs have left there is removed. */
export function makeWorkFolder(parent: string): string {
  const prefix = ".pg-continuity-work-";
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent)) {
    if (name.startsWith(prefix)) rmSync(join(parent, name), { recursive: true, force: true });
  }
  const folder = join(parent, `${prefix}${process.pid}`);
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}
