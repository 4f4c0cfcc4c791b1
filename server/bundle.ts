import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * The application server as one ES module for Node 20. The same sources give the same bytes, so
 * that their hash can name the image.
 */
export async function bundleServer(): Promise<Uint8Array> {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const result = await build({
    absWorkingDir: root,
    entryPoints: ["server/main.ts"],
    outfile: "server.mjs",
    write: false,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    minify: false,
    sourcemap: false,
    charset: "utf8",
    // Never loaded: the driver's other half, and what a library reads configuration files with that nobody has.
    external: ["pg-native", "typescript"],
    define: { "process.env.PG_CONTINUITY_VERSION": JSON.stringify(version) },
    // Packages in CommonJS ask for Node's own modules with `require`.
    banner: {
      js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);\nconst __filename = "server.mjs";\nconst __dirname = ".";',
    },
    logLevel: "silent",
  });
  const file = result.outputFiles[0];
  if (file === undefined) throw new Error("esbuild produced no file for server/main.ts");
  return file.contents;
}
