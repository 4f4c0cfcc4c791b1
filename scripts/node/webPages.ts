import { chmodSync, cpSync, existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { imageSources } from "../../core/imageSources.ts";
import { projectFolder } from "../setup/paths.ts";
import { contentHash } from "./contentHash.ts";

/**
 * Puts the web pages of the servers into `target`, built by Vite. The same sources give the same bytes; what was built
 * once is kept beside the npm packages, by the hash of all that goes into it.
 */
export async function putWebPages(target: string): Promise<void> {
  cpSync(await builtPages(), target, { recursive: true });
}

/** The folder of the built pages. */
export async function builtPages(): Promise<string> {
  const kept = join(projectFolder, "node_modules", ".cache", "pg-continuity");
  const folder = join(kept, `web-${contentHash(projectFolder, imageSources.server)}`);
  if (existsSync(folder)) return folder;
  await mkdir(kept, { recursive: true });
  const fresh = mkdtempSync(join(kept, "new-"));
  try {
    const { build } = await import("vite");
    await build({
      root: join(projectFolder, "web"),
      configFile: join(projectFolder, "web", "vite.config.ts"),
      logLevel: "warn",
      build: { outDir: fresh },
    });
    chmodSync(fresh, 0o755);
    renameSync(fresh, folder);
  } catch (error) {
    // Another process was first: its result is the same.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return folder;
}
