import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectEngine } from "../../scripts/docker/engine.ts";
import { Deployment } from "../support/deployment.ts";
import { listen } from "../support/ports.ts";
import { localEngine } from "../support/run.ts";

describe("bad input: one clear error with the remedy, and nothing is changed", () => {
  let deployment: Deployment;

  beforeAll(async () => {
    deployment = await Deployment.create("bad");
    await deployment.pulumi(["stack", "init"]);
  });
  afterAll(async () => {
    await deployment[Symbol.asyncDispose]();
  });

  /** Runs up, which has to fail, and returns the lines that say why. */
  async function refusal(environment: Record<string, string> = {}): Promise<string> {
    const { exitCode, all } = await deployment.script("scripts/up.ts", [], environment);
    expect([exitCode, all]).toEqual([1, expect.any(String)]);
    const engine = connectEngine(localEngine);
    const filters = { label: [`pg-continuity.stack=${deployment.stack}`] };
    expect(await engine.listContainers({ all: true, filters })).toEqual([]);
    expect((await engine.listVolumes({ filters })).Volumes ?? []).toEqual([]);
    expect(await engine.listNetworks({ filters })).toEqual([]);
    // A stack trace is of no use to who gave the input.
    expect(all).not.toMatch(/^\s+at .*\.ts:\d+/m);
    return all;
  }

  it("an unknown key", async () => {
    deployment.configure({ modell: "full" });
    const said = await refusal();
    expect(said).toContain('pg-continuity:modell: is no setting of this project. Did you mean "model"?');
    deployment.configure({ modell: undefined });
  });

  it("wrong types and values, all at once", async () => {
    deployment.configure({ model: "ful", slotWalKeepMegabytes: 1, publishedAddress: "nowhere" });
    const said = await refusal();
    expect(said).toContain("3 problems, nothing was changed:");
    expect(said).toContain('pg-continuity:model: "ful" is none of full, secondary, read-only.');
    expect(said).toContain("pg-continuity:slotWalKeepMegabytes: 1 is too small (at least 64).");
    expect(said).toContain('pg-continuity:publishedAddress: "nowhere" is no IPv4 address.');
    deployment.configure({ model: undefined, slotWalKeepMegabytes: undefined, publishedAddress: undefined });
  });

  it("a type that Pulumi itself refuses", async () => {
    deployment.configure({ slotWalKeepMegabytes: "much" });
    expect(await refusal()).toMatch(/slotWalKeepMegabytes.*(integer|number)/);
    deployment.configure({ slotWalKeepMegabytes: undefined });
  });

  it("a taken port", async () => {
    const port = deployment.ports.gateway;
    const holder = await listen(port);
    const said = await refusal();
    expect(said).toContain(
      `pg-continuity:ports.gateway: ${port} is taken on host local by another program of this machine.`,
    );
    expect(said).toContain("pulumi config set --path 'ports.gateway' PORT");
    holder?.close();
  });

  it("a stopped engine", async () => {
    const docker = `unix://${join(deployment.folder, "stopped.sock")}`;
    deployment.configure({ hosts: { elsewhere: { docker, address: "127.0.0.1" } } });
    const said = await refusal();
    expect(said).toContain(`host elsewhere: ${docker} does not answer`);
    expect(said).toContain("Start the Docker engine there");
    deployment.configure({ hosts: undefined });
  });

  it("a wrong passphrase", async () => {
    const wrong = join(deployment.folder, "wrong");
    writeFileSync(wrong, "another passphrase");
    const said = await refusal({ PULUMI_CONFIG_PASSPHRASE_FILE: wrong });
    expect(said).toContain("the passphrase does not fit this stack's state. Set PULUMI_CONFIG_PASSPHRASE");
  });

  it("a stack that was never deployed", async () => {
    const { exitCode, all } = await deployment.script("scripts/status.ts");
    expect([exitCode, all]).toEqual([
      1,
      expect.stringContaining(`stack ${deployment.stack} is not deployed. Deploy it with "npm run up".`),
    ]);
  });

  it("an option that does not exist", async () => {
    const { exitCode, all } = await deployment.script("scripts/status.ts", ["--jsonn"]);
    expect(exitCode).not.toBe(0);
    expect(all).toContain("Did you mean --json?");
  });
});
