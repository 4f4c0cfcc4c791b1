import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackages, isRoot } from "./aptPackages.ts";
import type { Context } from "./context.ts";
import { dockerEngine, dockerHost } from "./dockerEngine.ts";
import { SetupError } from "./errors.ts";
import type { Part, Report } from "./part.ts";
import { findOnPath } from "./paths.ts";
import { pins } from "./pins.ts";

const part = "base image";
const image = pins.baseImage.name;
const trixieKeys = "/usr/share/keyrings/debian-archive-trixie-stable.gpg";

/** The image that every image of this project starts from. */
export const baseImage: Part = {
  name: part,
  wanted: image,
  after: [dockerEngine.name],
  async probe(context) {
    const result = await docker(context, ["image", "inspect", image, "--format", "{{.Id}}"], {
      timeoutSeconds: 10,
    });
    const id = result.stdout.trim().replace("sha256:", "").slice(0, 12);
    return result.ok
      ? { isReady: true, found: id, where: dockerHost(context.env) }
      : { isReady: false, remedy: `run "npm run setup", or "docker pull ${image}"` };
  },
  async provide(context, report) {
    report(`docker pull ${image}`);
    const pulled = await docker(context, ["pull", image], { firstOutputSeconds: 8, timeoutSeconds: 600 });
    if (pulled.ok) return;
    await prepareMmdebstrap(context, report, pulled.failure);
    await bootstrap(context, report);
  },
};

async function prepareMmdebstrap(context: Context, report: Report, pullFailure: string): Promise<void> {
  const isMissing = findOnPath("mmdebstrap", context.env.PATH).length === 0;
  // A Debian that was installed before trixie came out does not know the keys that sign it.
  const lacksKeys = existsSync("/usr/share/keyrings/debian-archive-keyring.gpg") && !existsSync(trixieKeys);
  if (!isMissing && !lacksKeys) return;
  if (!isRoot() && isMissing) {
    throw new SetupError(
      part,
      `${image} cannot be pulled (${pullFailure}), and there is no mmdebstrap to make it with`,
      `Load the image by hand ("docker load"), or install mmdebstrap`,
    );
  }
  if (isRoot()) await installPackages(context, report, part, ["mmdebstrap", "debian-archive-keyring"]);
}

/** Makes the image from the distribution's packages. The archive is complete before Docker sees it. */
async function bootstrap(context: Context, report: Report): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pg-continuity-image-"));
  const archive = join(folder, "root.tar");
  try {
    report(`making ${image} with mmdebstrap`);
    const { suite } = pins.baseImage;
    const made = await context.run("mmdebstrap", [
      "--variant=minbase",
      "--include=ca-certificates",
      suite,
      archive,
      ...(await localMirror(context)),
    ]);
    if (!made.ok) {
      const remedy = "Check that the Debian mirror can be reached and has trixie, then run this again";
      throw new SetupError(part, `mmdebstrap failed: ${made.failure}`, remedy);
    }
    report(`docker import ${image}`);
    const changes = ["--change", 'CMD ["bash"]', "--change", "LABEL pg-continuity.made-with=mmdebstrap"];
    const imported = await docker(context, ["import", ...changes, archive, image]);
    if (!imported.ok) throw new SetupError(part, `docker import failed: ${imported.failure}`, "See the log");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The mirror that this machine's own packages come from, where it is Debian and not the public one. */
async function localMirror(context: Context): Promise<string[]> {
  const format = ["indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"];
  const targets = await context.run("apt-get", format);
  const uris = targets.stdout
    .split("\n")
    .filter((line) => line.startsWith("Debian "))
    .map((line) => line.slice(7));
  const mirror = uris.find((uri) => !/security/.test(uri));
  return mirror && !/\/\/(deb|ftp[^/]*)\.debian\.org\//.test(mirror) ? [mirror] : [];
}

function docker(context: Context, args: readonly string[], options: Parameters<Context["run"]>[2] = {}) {
  return context.run("docker", args, {
    ...options,
    env: { DOCKER_HOST: dockerHost(context.env), DOCKER_CONTEXT: undefined },
  });
}
