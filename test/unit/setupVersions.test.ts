import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { officialCliUrl } from "../../scripts/setup/download.ts";
import { buildArguments, goPrograms, sourceHash } from "../../scripts/setup/goBuild.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";
import { pins } from "../../scripts/setup/pins.ts";
import { findVersion, isAtLeast } from "../../scripts/setup/versions.ts";

const read = (...path: string[]) => readFileSync(join(projectFolder, ...path), "utf8");

describe("versions", () => {
  it.each([
    ["v3.245.0", "3.245.0"],
    ["Docker version 28.2.2, build e6534b4", "28.2.2"],
    ["20.10.24+dfsg1", "20.10.24"],
    ["go version go1.26.8 linux/amd64", "1.26.8"],
    ["3.246.0-alpha.1", "3.246.0-alpha.1"],
    ["no number", undefined],
  ])("finds the version in %j", (text, version) => {
    expect(findVersion(text)).toBe(version);
  });

  it.each([
    ["3.245.0", "3.245.0", true],
    ["3.244.9", "3.245.0", false],
    ["3.1000.0", "3.245.0", true],
    ["4.0.0", "3.245.0", true],
    ["3.245.0-alpha.1", "3.245.0", false],
    ["3.246.0-alpha.1", "3.245.0", true],
    ["20.10.24+dfsg1", "20.10.0", true],
    ["v29", "20.10.0", true],
  ])("%s is at least %s: %s", (found, wanted, expected) => {
    expect(isAtLeast(found, wanted)).toBe(expected);
  });
});

describe("pins", () => {
  const dependencies = JSON.parse(read("package.json")).dependencies;

  it("are the versions that the npm packages ask the engine for", () => {
    expect(pins.plugins.docker).toBe(dependencies["@pulumi/docker"]);
    expect(pins.plugins.command).toBe(dependencies["@pulumi/command"]);
    expect(pins.pulumi).toBe(dependencies["@pulumi/pulumi"]);
  });

  it("are the versions that the Go modules build", () => {
    expect(read("tools/pulumi/cli/go.mod")).toContain(`github.com/pulumi/pulumi/pkg/v3 v${pins.pulumi}`);
    expect(read("tools/pulumi/language-nodejs/go.mod")).toContain(
      `github.com/pulumi/pulumi/sdk/v3 v${pins.languageHost}`,
    );
  });

  it("are what Pulumi.yaml asks for", () => {
    expect(read("Pulumi.yaml")).toContain(`">=${pins.pulumi}"`);
  });
});

describe("builds", () => {
  it.each(
    Object.keys(goPrograms) as (keyof typeof goPrograms)[],
  )("%s comes out small and reproducible", (name) => {
    const args = buildArguments(goPrograms[name], "out");
    expect(args).toEqual(expect.arrayContaining(["-trimpath", "-mod=readonly"]));
    expect(args.find((arg) => arg.startsWith("-s -w -X "))).toContain(goPrograms[name].version);
  });

  it("have a stamp that changes with what they are built from", () => {
    const program = goPrograms["pulumi-resource-command"];
    expect(sourceHash(program)).toBe(sourceHash(program));
    expect(sourceHash({ ...program, version: "9.9.9" })).not.toBe(sourceHash(program));
    expect(sourceHash({ ...program, module: "docker" })).not.toBe(sourceHash(program));
  });

  it("are not needed where the official CLI is", () => {
    const url = "https://get.pulumi.com/releases/sdk/pulumi-v3.245.0-darwin-arm64.tar.gz";
    expect(officialCliUrl("3.245.0", "darwin", "arm64")).toBe(url);
    expect(() => officialCliUrl("3.245.0", "aix", "ppc64")).toThrow("no Pulumi CLI for aix");
  });
});
