import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { removeForeignSalt, withoutSalt } from "../../scripts/setup/foreignSalt.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";

const salt = "encryptionsalt: v1:FpvfXgstnMU=:v1:8uw9omXn2z4VbKJc:PDJE+9i3RFlQOdIwTbSYNtWO2CgGAg==\n";
const config = "# kept\nconfig:\n  pg-continuity:model: full\n";

describe("the encryption salt of another clone", () => {
  it("stands in no committed config of stack dev: no other clone could make that stack", () => {
    const committed = execFileSync("git", ["show", ":Pulumi.dev.yaml"], { cwd: projectFolder });
    expect(committed.toString()).not.toContain("encryptionsalt");
  });

  it.each([
    ["at the end", `${config}${salt}`, config],
    ["at the beginning", `${salt}${config}`, config],
    ["without a line's end", `${config}${salt.trim()}`, config],
  ])("is taken out %s, and nothing else", (_where, text, expected) => {
    expect(withoutSalt(text)).toBe(expected);
  });

  it.each([
    ["without a salt", config],
    ["of nothing", ""],
    ["with a secret", `${config}  pg-continuity:gatewayKey:\n    secure: v1:abc\n${salt}`],
    ["with a secret further down", `config:\n  a:b:\n    c:\n      - secure: v1:abc\n${salt}`],
  ])("a config %s stays as it is", (_what, text) => {
    expect(withoutSalt(text)).toBeUndefined();
  });

  it("is taken out of the file; a file that is not there is none", () => {
    const folder = mkdtempSync(join(tmpdir(), "pg-continuity-salt-"));
    try {
      const file = join(folder, "Pulumi.dev.yaml");
      expect(removeForeignSalt(file)).toBe(false);
      writeFileSync(file, `${config}${salt}`);
      expect([removeForeignSalt(file), removeForeignSalt(file)]).toEqual([true, false]);
      expect(readFileSync(file, "utf8")).toBe(config);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
