import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ServerConfigInput } from "../../../core/serverConfig.ts";
import { loadConfiguration, parseConfiguration } from "../../../server/config/load.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pgc-config-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function config(): ServerConfigInput {
  const file = (name: string): string => join(folder, name);
  return {
    stack: "dev",
    server: { id: "primary", displayName: "Primary" },
    listen: { port: 8443, certificateFile: file("tls.crt"), keyFile: file("tls.key") },
    databases: [{ name: "shared", address: "shared", port: 5432, certificateName: "shared" }],
    postgres: {
      database: "vault",
      caFile: file("ca.crt"),
      application: { user: "application", passwordFile: file("application") },
      migration: { user: "migration", passwordFile: file("migration") },
    },
    encryptionKeyFile: file("key"),
    adminTokenHashFile: file("token"),
    stateDirectory: file("state"),
  };
}

async function write(files: Record<string, string> = {}): Promise<string> {
  const good = {
    "server.json": JSON.stringify(config()),
    "tls.crt": "certificate",
    "tls.key": "key",
    "ca.crt": "ca",
    application: "p1\n",
    migration: "p2",
    key: Buffer.alloc(32, 7).toString("base64"),
    token: "ab".repeat(32),
  };
  for (const [name, text] of Object.entries({ ...good, ...files })) await writeFile(join(folder, name), text);
  return join(folder, "server.json");
}

describe("loadConfiguration", () => {
  test("should give configuration and the content of its files", async () => {
    const { config: loaded, secrets } = await loadConfiguration(await write());
    expect(loaded).toMatchObject({ writeHoldSeconds: 5, listen: { address: "0.0.0.0", trustedProxies: [] } });
    expect(secrets.applicationPasswords).toEqual(["p1"]);
    expect(secrets.encryptionKeys.map(({ length }) => length)).toEqual([32]);
  });

  test("should give all passwords of a file, the one in use first", async () => {
    const { secrets } = await loadConfiguration(await write({ application: "p2\np1\n" }));
    expect(secrets.applicationPasswords).toEqual(["p2", "p1"]);
  });

  test("should give the hash of every token that is accepted", async () => {
    const { secrets } = await loadConfiguration(
      await write({ token: `${"cd".repeat(32)}\n${"ab".repeat(32)}\n` }),
    );
    expect(secrets.adminTokenHashes.map((hash) => hash.toString("hex").slice(0, 2))).toEqual(["cd", "ab"]);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ["no JSON", { "server.json": "{" }, /server\.json: not JSON/],
    ["a wrong key", { key: "c2hvcnQ=" }, /encryptionKeyFile: .*key is not 32 bytes in base64/],
    ["a wrong token hash", { token: "xyz" }, /adminTokenHashFile: .*not a SHA-256 in hex/],
    ["no token hash", { token: "\n" }, /adminTokenHashFile: .*not a SHA-256 in hex/],
    ["an empty password", { migration: "\n" }, /postgres\.migration\.passwordFile: the file is empty/],
    [
      "two mistakes",
      { key: "x", token: "y" },
      /2 entries are wrong:\n {2}- encryptionKeyFile.*\n {2}- adminTokenHash/,
    ],
  ])("should refuse %s", async (_name, files, message) => {
    await expect(loadConfiguration(await write(files))).rejects.toThrow(message);
  });

  test("should name every file that is missing, and no content", async () => {
    const path = await write();
    await rm(join(folder, "ca.crt"));
    await rm(join(folder, "tls.key"));
    await expect(loadConfiguration(path)).rejects.toThrow(
      /listen\.keyFile: .*ENOENT[\s\S]*postgres\.caFile: .*ENOENT/,
    );
    await expect(loadConfiguration(join(folder, "none.json"))).rejects.toThrow(
      /none\.json cannot be read \(ENOENT\)/,
    );
  });

  test("should not repeat a wrong secret in its message", async () => {
    const path = await write({ key: "do-not-show-me", token: "nor-me" });
    const error = await loadConfiguration(path).catch((caught: unknown) => caught);
    expect(String(error)).not.toMatch(/do-not-show-me|nor-me/);
  });
});

describe("parseConfiguration", () => {
  test.each<[string, object, RegExp]>([
    ["an unknown entry", { typo: 1 }, /typo/],
    ["no database", { databases: [] }, /databases: /],
    ["an unknown server", { server: { id: "third", displayName: "x" } }, /server\.id: /],
    ["a negative hold time", { writeHoldSeconds: -1 }, /writeHoldSeconds: /],
  ])("should refuse %s", (_name, change, message) => {
    expect(() => parseConfiguration("server.json", JSON.stringify({ ...config(), ...change }))).toThrow(
      message,
    );
  });

  test("should refuse a database that is named twice", () => {
    const { databases } = config();
    const text = JSON.stringify({ ...config(), databases: [...databases, ...databases] });
    expect(() => parseConfiguration("server.json", text)).toThrow("a name occurs twice in shared, shared");
  });
});
