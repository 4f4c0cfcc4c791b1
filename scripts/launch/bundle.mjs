// The project's programs as JavaScript: bundled by esbuild whenever a source has changed, kept beside the npm packages.
// So a command starts in a tenth of a second; from hundreds of files of sources and packages it takes five times the
// processor. Plain JavaScript, because it runs before there is anything that reads TypeScript.
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const kept = join(root, "node_modules", ".cache", "pg-continuity", "programs");
const manifestFile = join(kept, "manifest.json");

/** Folders whose TypeScript files are programs, and single programs. */
const programFolders = ["scripts", "scripts/node"];
const programs = ["index.ts", "bench/main.ts", "scripts/setup/main.ts"];

/** Not bundled: Pulumi's own instance of its SDK has to be used; the others have native parts or read files of theirs. */
const external = ["@pulumi/*", "dockerode", "esbuild", "vite"];

/** Bundles that are kept: a program that runs since before a change loads the rest of its own one. */
const keptBundles = 5;

/** The bundled form of a program. @param entry its file from the project's folder, as "scripts/up.ts" @returns its URL */
export async function bundled(entry) {
  const current = readManifest();
  const folder = current !== null && isCurrent(current) ? current.folder : await bundleAll();
  return pathToFileURL(join(kept, folder, entry.replace(/\.ts$/, ".mjs"))).href;
}

function readManifest() {
  try {
    return JSON.parse(readFileSync(manifestFile, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT" || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Whether the project is where it was, and every source as it was. */
function isCurrent(manifest) {
  return (
    manifest.root === root && Object.entries(manifest.sources).every(([file, mark]) => markOf(file) === mark)
  );
}

/** Size and time of change, which tell one state of a file from another. */
function markOf(file) {
  const found = statSync(join(root, file), { throwIfNoEntry: false });
  return found === undefined ? "none" : `${found.size} ${found.mtimeMs}`;
}

/** Into a folder of its own, which counts only once it is complete: others may do the same at the same time. */
async function bundleAll() {
  const { build } = await import("esbuild");
  const folder = randomUUID();
  const listed = programFolders.flatMap((inFolder) =>
    readdirSync(join(root, inFolder))
      .filter((name) => name.endsWith(".ts"))
      .map((name) => `${inFolder}/${name}`),
  );
  // Before anything is read: what changes meanwhile is seen the next time.
  const startedAt = new Map();
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [...programs, ...listed],
    outdir: join(kept, folder),
    outbase: root,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    platform: "node",
    target: "node20",
    format: "esm",
    sourcemap: "linked",
    keepNames: true,
    metafile: true,
    external,
    plugins: [ownFiles(startedAt)],
    // Packages in CommonJS ask for Node's own modules with `require`.
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
    logLevel: "warning",
  });
  const sources = Object.fromEntries(
    [...Object.keys(metafile.inputs), "package-lock.json", "scripts/launch/bundle.mjs"]
      .filter((file) => !file.startsWith("node_modules/") && !file.includes(":"))
      .map((file) => [file, startedAt.get(join(root, file)) ?? markOf(file)]),
  );
  const fresh = join(kept, `${folder}.json`);
  mkdirSync(kept, { recursive: true });
  writeFileSync(fresh, JSON.stringify({ root, folder, sources }));
  renameSync(fresh, manifestFile);
  removeOld();
  return folder;
}

/** A module's own address stays that of its source; what was read is marked as it was when it was read. */
function ownFiles(marks) {
  return {
    name: "own files",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (path.includes("/node_modules/")) return undefined;
        marks.set(path, markOf(path.slice(root.length + 1)));
        const text = await readFile(path, "utf8");
        const contents = text.replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href));
        return { contents, loader: "ts" };
      });
    },
  };
}

function removeOld() {
  const age = (folder) => statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const folders = readdirSync(kept, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(kept, name))
    .sort((one, other) => age(other) - age(one));
  for (const folder of folders.slice(keptBundles)) rmSync(folder, { recursive: true, force: true });
}
