import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execaSync } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pathWith, pulumiEnvironment } from "../../scripts/setup/environment.ts";
import { wrapperScript } from "../../scripts/setup/plainPulumi.ts";
import { createPassphrase } from "../../scripts/setup/projectState.ts";
import { pulumiCandidates } from "../../scripts/setup/pulumiCli.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pg-continuity-unit-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function writeProgram(file: string, content: string): void {
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, 0o755);
}

describe("the environment of child processes", () => {
  it("has the CLI in front of the PATH, once", () => {
    expect(pathWith("/b", "/a:/b::/c")).toBe("/b:/a:/c");
    expect(pathWith("/b", undefined)).toBe("/b");
    expect(pulumiEnvironment({ PATH: "/usr/bin" }, "/opt/pulumi/pulumi").PATH).toBe("/opt/pulumi:/usr/bin");
  });

  it("leaves the caller's passphrase and backend alone", () => {
    const own = pulumiEnvironment(
      { PULUMI_CONFIG_PASSPHRASE: "", PULUMI_BACKEND_URL: "file:///x" },
      "/p/pulumi",
    );
    expect(own).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE");
    expect(own.PULUMI_BACKEND_URL).toBe("file:///x");
    expect(pulumiEnvironment({ PULUMI_CONFIG_PASSPHRASE_FILE: "/f" }, "/p/pulumi")).not.toHaveProperty(
      "PULUMI_CONFIG_PASSPHRASE_FILE",
    );
    expect(pulumiEnvironment({}, "/p/pulumi")).not.toHaveProperty("PULUMI_BACKEND_URL");
  });

  it("asks nobody whether there is a newer Pulumi", () => {
    expect(pulumiEnvironment({}, "/p/pulumi").PULUMI_SKIP_UPDATE_CHECK).toBe("true");
  });
});

describe("the Pulumi CLI", () => {
  it("is looked for on the PATH in its order, and the wrapper is not it", () => {
    writeProgram(join(folder, "a", "pulumi"), wrapperScript);
    writeProgram(join(folder, "b", "pulumi"), "#!/bin/sh\n");
    writeFileSync(join(folder, "pulumi"), "not executable");
    const PATH = [folder, join(folder, "a"), join(folder, "b")].join(":");
    expect(pulumiCandidates({ PATH })[0]).toBe(join(folder, "b", "pulumi"));
  });
});

describe("the wrapper for plain pulumi", () => {
  const show = 'echo "file=$PULUMI_CONFIG_PASSPHRASE_FILE passphrase=$PULUMI_CONFIG_PASSPHRASE args=$*"\n';
  const call = (env: Record<string, string>, ...args: string[]) => {
    const options = { cwd: folder, env: { PATH: "/usr/bin:/bin", HOME: folder, ...env }, extendEnv: false };
    return execaSync(join(folder, "wrapper"), args, options).stdout;
  };
  beforeEach(() => {
    writeProgram(join(folder, "wrapper"), wrapperScript);
    writeProgram(join(folder, ".pulumi", "bin", "pulumi"), `#!/bin/sh\n${show}`);
  });

  it("uses the passphrase of the folder it is called in", () => {
    mkdirSync(join(folder, ".state"));
    writeFileSync(join(folder, ".state", "passphrase"), "x");
    expect(call({}, "up", "a b")).toBe(`file=${folder}/.state/passphrase passphrase= args=up a b`);
  });

  it("leaves every other folder, and a passphrase of the caller, alone", () => {
    expect(call({}, "up")).toBe("file= passphrase= args=up");
    mkdirSync(join(folder, ".state"));
    writeFileSync(join(folder, ".state", "passphrase"), "x");
    expect(call({ PULUMI_CONFIG_PASSPHRASE: "mine" }, "up")).toBe("file= passphrase=mine args=up");
    expect(call({ PULUMI_CONFIG_PASSPHRASE_FILE: "/f" }, "up")).toBe("file=/f passphrase= args=up");
  });
});

describe("the passphrase", () => {
  it("is long, private, and never replaced", () => {
    const file = join(folder, "passphrase");
    createPassphrase(file);
    const first = readFileSync(file, "utf8");
    expect(first).toMatch(/^[\w-]{32}$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    createPassphrase(file);
    expect(readFileSync(file, "utf8")).toBe(first);
    expect(existsSync(`${file}.${process.pid}`)).toBe(false);
  });
});
