import type { Context } from "./context.ts";
import { SetupError } from "./errors.ts";
import type { Report } from "./part.ts";
import { findOnPath } from "./paths.ts";

/** Whether setup may install the distribution's packages and start services. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Installs packages of a Debian-like distribution, and those of `ifKnown` that it has. */
export async function installPackages(
  context: Context,
  report: Report,
  part: string,
  packages: readonly string[],
  ifKnown: readonly string[] = [],
): Promise<void> {
  if (findOnPath("apt-get", context.env.PATH).length === 0) {
    throw new SetupError(
      part,
      `it is not installed, and there is no apt-get to install ${packages.join(", ")} with`,
      "Install it with this system's package manager",
    );
  }
  const apt = async (args: readonly string[], problem: string) => {
    const result = await context.run("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=120", ...args], {
      env: { DEBIAN_FRONTEND: "noninteractive" },
      timeoutSeconds: 900,
    });
    if (!result.ok) {
      const remedy = "Check the package mirror (/etc/apt/sources.list.d), or install the packages by hand";
      throw new SetupError(part, `${problem}: ${result.failure}`, remedy);
    }
  };
  // An installation that was interrupted before leaves dpkg refusing all work until this has run.
  await context.run("dpkg", ["--configure", "-a"], { env: { DEBIAN_FRONTEND: "noninteractive" } });
  report("apt-get update");
  await apt(["update"], "the package lists cannot be fetched");
  const known = await Promise.all(ifKnown.map((name) => hasCandidate(context, name)));
  const wanted = [...packages, ...ifKnown.filter((_, index) => known[index])];
  report(`apt-get install ${wanted.join(" ")}`);
  await apt(["install", "--yes", ...wanted], `${wanted.join(", ")} cannot be installed`);
}

async function hasCandidate(context: Context, name: string): Promise<boolean> {
  const result = await context.run("apt-cache", ["policy", name]);
  return /Candidate: (?!\(none\))/.test(result.stdout);
}
