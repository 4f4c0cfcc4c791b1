import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { forEachImageKind, imageName, imageSources, packagesImageName } from "../../core/imageSources.ts";
import { deriveTopology } from "../../core/topology.ts";
import { contentHash } from "../../scripts/node/contentHash.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";
import { settingsOf } from "../support/fixtures.ts";

describe("image names", () => {
  it("hold stack, kind, content and the revision of their kind", () => {
    const tagged = (config: Readonly<Record<string, unknown>>) => {
      const topology = deriveTopology("pg-continuity", "dev", settingsOf(config));
      return forEachImageKind((kind) => imageName(topology, kind, "abc"));
    };
    const plain = {
      database: "pg-continuity-dev/database:abc",
      server: "pg-continuity-dev/server:abc",
      gateway: "pg-continuity-dev/gateway:abc",
    };
    expect(tagged({})).toEqual(plain);
    expect(tagged({ imageRevisions: { database: "2026-03" } })).toEqual({
      ...plain,
      database: "pg-continuity-dev/database:abc-2026-03",
    });
    expect(tagged({ imageRevision: "2026-03", imageRevisions: { server: "2026-04", gateway: "" } })).toEqual({
      database: "pg-continuity-dev/database:abc-2026-03",
      server: "pg-continuity-dev/server:abc-2026-04",
      gateway: "pg-continuity-dev/gateway:abc",
    });
  });
  it("of the packages hold no stack", () => {
    expect(packagesImageName("pg-continuity", "server")).toBe("pg-continuity-packages/server:trixie");
  });
});

describe("sources of an image", () => {
  it("all exist", () => {
    for (const paths of Object.values(imageSources))
      expect(contentHash(projectFolder, paths)).toMatch(/^[0-9a-f]{12}$/);
  });

  // A file that is bundled but not among the sources could change without a new image.
  it("of the server hold everything that its bundle is made of", async () => {
    const { metafile } = await build({
      absWorkingDir: projectFolder,
      entryPoints: ["server/main.ts"],
      bundle: true,
      write: false,
      metafile: true,
      platform: "node",
      format: "esm",
      external: ["pg-native"],
      logLevel: "silent",
      outfile: join("dist", "server.mjs"),
    });
    const own = Object.keys(metafile.inputs).filter((path) => !path.startsWith("node_modules/"));
    expect(own).toContain("server/main.ts");
    const sources: readonly string[] = imageSources.server;
    const missing = own.filter(
      (path) => !sources.some((source) => path === source || path.startsWith(`${source}/`)),
    );
    expect(missing).toEqual([]);
  });
});
