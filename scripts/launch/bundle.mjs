// The project's programs as JavaScript: bundled by esbuild whenever a source has changed, kept beside the npm packages.
// Otherwise each start would read and transform hundreds of files of sources and packages. Plain JavaScript, because it
// runs before there is anything that reads TypeScript.
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const project = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Folders whose TypeScript files are programs, and single programs. */
const programFolders = ["scripts", "scripts/node"];
const programs = ["index.ts", "bench/main.ts", "scripts/setup/main.ts", "scripts/transition/run.ts"];

/** Not bundled: Pulumi's own instance of its SDK has to be used; the others have native parts or read files of theirs. */
const external = ["@pulumi/*", "dockerode", "esbuild", "playwright-core", "vite"];

/** Bundles that are kept: a program that runs since before a change loads the rest of its own one. */
const keptBundles = 5;

/**
 * The bundled form of a program.
 *
 * @param {string} entry its file from the project's folder, as "scripts/up.ts"
 * @param {string} root the project's folder
 * @returns {Promise<string>} its URL
 * @throws Error when there is no such program, or the sources cannot be bundled
 */
export async function bundled(entry, root = project) {
  const kept = join(root, "node_modules", ".cache", "pg-continuity", "programs");
  const current = readManifest(join(kept, "manifest.json"));
  const folder = current !== null && isCurrent(current, root) ? current.folder : await bundleAll(root, kept);
  const file = join(kept, folder, entry.replace(/\.ts$/, ".mjs"));
  if (existsSync(file)) return pathToFileURL(file).href;
  throw new Error(`${entry} is no program of this project; programs are named in scripts/launch/bundle.mjs`);
}

function readManifest(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT" || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Whether the project is where it was, and every source as it was. */
function isCurrent(manifest, root) {
  const isSame = ([file, mark]) => markOf(join(root, file)) === mark;
  return manifest.root === root && Object.entries(manifest.sources).every(isSame);
}

/** Size and time of change, which tell one state of a file from another. */
function markOf(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? "none" : `${found.size} ${found.mtimeMs}`;
}

function programsOf(root) {
  const listed = programFolders.flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
      .map(({ name }) => `${folder}/${name}`),
  );
  return [...programs.filter((file) => existsSync(join(root, file))), ...listed];
}

/** Into a folder of its own, which counts only once it is complete: others may do the same at the same time. */
async function bundleAll(root, kept) {
  const { build } = await import("esbuild");
  const folder = randomUUID();
  const marks = new Map();
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: programsOf(root),
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
    plugins: [ownFiles(marks)],
    // Packages in CommonJS ask for Node's own modules with `require`.
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
    logLevel: "warning",
  });
  const inputs = Object.keys(metafile.inputs).filter((file) => !/^node_modules\/|:/.test(file));
  const sources = Object.fromEntries(
    [...inputs, "package-lock.json", "scripts/launch/bundle.mjs"].map((file) => {
      const path = join(root, file);
      return [file, marks.get(path) ?? markOf(path)];
    }),
  );
  const fresh = join(kept, `${folder}.json`);
  writeFileSync(fresh, JSON.stringify({ root, folder, sources }));
  renameSync(fresh, join(kept, "manifest.json"));
  removeOld(kept);
  return folder;
}

/** A module's own address stays that of its source. Each file is marked before it is read: a later change is seen the next time. */
function ownFiles(marks) {
  return {
    name: "own files",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (path.includes("/node_modules/")) return undefined;
        marks.set(path, markOf(path));
        const text = await readFile(path, "utf8");
        const contents = text.replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href));
        return { contents, loader: "ts" };
      });
    },
  };
}

function removeOld(kept) {
  const age = (folder) => statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const folders = readdirSync(kept, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(kept, name))
    .sort((one, other) => age(other) - age(one));
  for (const folder of folders.slice(keptBundles)) rmSync(folder, { recursive: true, force: true });
}
