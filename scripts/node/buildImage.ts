// Builds the image of one kind of node on an engine. The part that comes from the distribution's packages is built
// and tagged first, so that it outlives the stack.
//
//   environment: DOCKER_URL, IMAGE, KIND, PROJECT, STACK, REVISION (optional: brings the packages up to the day)
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { type ImageKind, imageSources, packagesImageName } from "../../core/imageSources.ts";
import { required, runStep } from "./step.ts";

await runStep("build-image", async () => {
  const url = required("DOCKER_URL");
  const image = required("IMAGE");
  const kind = required("KIND") as ImageKind;
  if (!(kind in imageSources)) throw new Error(`there is no image of kind ${kind}`);
  const folder = mkdtempSync(join(tmpdir(), `pg-continuity-${kind}-`));
  try {
    cpSync(`images/${kind}`, folder, { recursive: true });
    if (kind === "server") {
      const { bundleServer } = await import("../../server/bundle.ts");
      const { putWebPages } = await import("./webPages.ts");
      const [program] = await Promise.all([bundleServer(), putWebPages(join(folder, "web"))]);
      writeFileSync(join(folder, "server.mjs"), program);
    }
    const labels = [
      `pg-continuity.project=${required("PROJECT")}`,
      `pg-continuity.stack=${required("STACK")}`,
    ];
    const packages = packagesImageName(required("PROJECT"), kind);
    await build(url, folder, ["--target", "packages", "--tag", packages, ...revision("")]);
    await build(url, folder, [
      ...["--tag", image, ...revision(process.env.REVISION ?? "")],
      ...labels.flatMap((label) => ["--label", label]),
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { result: "built", image };
});

/** Without one an image has the packages as they were first installed on this engine, which all stacks share. */
function revision(text: string): readonly string[] {
  return ["--build-arg", `REVISION=${text}`];
}

/** `docker build`, its output on standard error only when it fails. */
async function build(url: string, folder: string, options: readonly string[]): Promise<void> {
  const { failed, all, shortMessage } = await execa("docker", ["--host", url, "build", ...options, folder], {
    all: true,
    reject: false,
  });
  if (failed) throw new Error(`docker build failed: ${shortMessage}\n${all}`);
}
