import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, describe, expect, test } from "vitest";
import { bundled } from "../../scripts/launch/bundle.mjs";
import { projectFolder } from "../../scripts/setup/paths.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A project with one program, which imports one module. */
function smallProject(): string {
  const root = mkdtempSync(join(tmpdir(), "pgc-launch-"));
  folders.push(root);
  mkdirSync(join(root, "scripts", "node"), { recursive: true });
  writeFileSync(join(root, "package-lock.json"), "{}");
  writeFileSync(join(root, "scripts", "word.ts"), 'export const word: string = "one";');
  writeFileSync(
    join(root, "scripts", "say.ts"),
    'import { word } from "./word.ts";\nconsole.log(word, import.meta.url.endsWith("scripts/say.ts"));',
  );
  mkdirSync(join(root, "node_modules"));
  symlinkSync(join(projectFolder, "node_modules", "esbuild"), join(root, "node_modules", "esbuild"));
  return root;
}

async function say(root: string): Promise<string> {
  return (await execa("node", [fileURLToPath(await bundled("scripts/say.ts", root))])).stdout;
}

describe("the bundled programs", () => {
  test("are those of the sources as they are now, and are bundled only when one has changed", async () => {
    const root = smallProject();
    expect(await say(root)).toBe("one true");
    const first = await bundled("scripts/say.ts", root);
    expect(await bundled("scripts/say.ts", root)).toBe(first);
    writeFileSync(join(root, "scripts", "word.ts"), 'export const word: string = "another";');
    expect(await say(root)).toBe("another true");
    expect(await bundled("scripts/say.ts", root)).not.toBe(first);
  });

  test("are bundled by several at once without harm", async () => {
    const root = smallProject();
    expect(await Promise.all([say(root), say(root), say(root)])).toEqual([
      "one true",
      "one true",
      "one true",
    ]);
  });

  test("name what is no program", async () => {
    await expect(bundled("scripts/nothing.ts")).rejects.toThrow("scripts/nothing.ts is no program");
  });

  test("have all that the components and npm run", async () => {
    const components = readdirSync(join(projectFolder, "components"))
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(join(projectFolder, "components", name), "utf8"))
      .flatMap((text) =>
        [...text.matchAll(/runScript\("([^" ]+)/g)].map(([, script]) => `scripts/${script}`),
      );
    const { scripts } = JSON.parse(readFileSync(join(projectFolder, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const npm = Object.values(scripts).flatMap((line) => line.match(/(?<=bootstrap\.mjs )\S+/) ?? []);
    expect([components.length > 10, npm.length > 10]).toEqual([true, true]);
    for (const entry of ["index.ts", ...components, ...npm]) {
      expect(await bundled(entry)).toMatch(/^file:/);
    }
  });
});
