import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { installPackages, isRoot } from "./aptPackages.ts";
import { SetupError } from "./errors.ts";
import type { Part } from "./part.ts";
import { findOnPath, stateFolder } from "./paths.ts";
import { findVersion } from "./versions.ts";

/** The browser that the tests of the pages use: the distribution's. */
export const chromium: Part = {
  name: "chromium",
  wanted: "any version",
  after: [],
  async probe(context) {
    const [where] = findOnPath("chromium", context.env.PATH);
    if (!where)
      return { isReady: false, remedy: "install the package chromium (Debian: apt-get install chromium)" };
    const result = await context.run(where, ["--version"], { timeoutSeconds: 30 });
    return { isReady: result.ok, found: findVersion(result.stdout), where, remedy: "reinstall chromium" };
  },
  async provide(context, report) {
    if (!isRoot())
      throw new SetupError(
        this.name,
        "it is not installed, and only root can install it",
        "Install the package chromium, or leave the tests of the pages out: npm test -- --project integration",
      );
    await installPackages(context, report, this.name, ["chromium"]);
  },
};

const toolFolder = join(stateFolder, "tools");
const ownPromtool = join(toolFolder, "promtool", "usr", "bin", "promtool");

/** Where promtool is, if anywhere: on the PATH, or taken out of the distribution's package. */
export function findPromtool(path: string | undefined): string | undefined {
  return findOnPath("promtool", path)[0] ?? (existsSync(ownPromtool) ? ownPromtool : undefined);
}

/**
 * What checks metrics and alert rules. It comes with the package prometheus, which is only unpacked: an installation
 * would start the service.
 */
export const promtool: Part = {
  name: "promtool",
  wanted: "any version",
  after: ["chromium"],
  async probe(context) {
    const where = findPromtool(context.env.PATH);
    if (!where) return { isReady: false, remedy: "install promtool (Debian: package prometheus)" };
    const result = await context.run(where, ["--version"], { timeoutSeconds: 10 });
    return {
      isReady: result.ok,
      found: findVersion(`${result.stdout}${result.stderr}`),
      where,
      remedy: `remove ${where}`,
    };
  },
  async provide(context, report) {
    const downloads = join(toolFolder, "download");
    rmSync(downloads, { recursive: true, force: true });
    mkdirSync(downloads, { recursive: true });
    report("apt-get download prometheus");
    const fetched = await context.run("apt-get", ["-q", "download", "prometheus"], {
      cwd: downloads,
      timeoutSeconds: 300,
    });
    const [file] = readdirSync(downloads).filter((name) => name.endsWith(".deb"));
    const unpacked =
      fetched.ok && file !== undefined
        ? await context.run("dpkg-deb", ["-x", join(downloads, file), join(toolFolder, "promtool")])
        : fetched;
    rmSync(downloads, { recursive: true, force: true });
    if (!unpacked.ok || file === undefined)
      throw new SetupError(
        this.name,
        `the package prometheus cannot be fetched and unpacked: ${unpacked.ok ? "no file came" : unpacked.failure}`,
        "Put promtool on the PATH, or check the package mirror",
      );
  },
};

/** What the tests of the pages need beside everything else. */
export const testTools: readonly Part[] = [chromium, promtool];
