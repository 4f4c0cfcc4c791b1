import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * A short name for the content of files and folders: names, modes' execute bit and bytes decide, times do not.
 *
 * @param root folder that the paths are relative to
 */
export function contentHash(root: string, paths: readonly string[]): string {
  const hash = createHash("sha256");
  const add = (path: string) => {
    const full = join(root, path);
    const stat = statSync(full);
    if (stat.isDirectory()) {
      for (const entry of readdirSync(full).sort()) add(`${path}/${entry}`);
      return;
    }
    hash.update(`${path}\0${stat.mode & 0o100 ? "x" : "-"}\0${stat.size}\0`);
    hash.update(readFileSync(full));
  };
  for (const path of paths) add(path);
  return hash.digest("hex").slice(0, 12);
}
