import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import { defaultPorts } from "../../core/settings.ts";
import type { Status } from "../../core/status.ts";
import { type DeployedStack, readStack } from "../../scripts/cli/pulumi.ts";
import { pulumiEnvironment } from "../../scripts/setup/environment.ts";
import { projectFolder, pulumiHome } from "../../scripts/setup/paths.ts";
import { freePorts } from "./ports.ts";
import type { TestRun } from "./run.ts";

/** What a program of the project gave. */
export interface ScriptResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  /** Standard output and error as they came. */
  readonly all: string;
}

/** Config keys without namespace. */
export type Config = Readonly<Record<string, unknown>>;

/** A stack of its own: own name, ports, backend, passphrase and Pulumi home, in the project's own folder. */
export class OwnStack implements AsyncDisposable {
  readonly stack: string;
  readonly folder: string;
  #deployed: DeployedStack | undefined;

  protected constructor(run: TestRun, name: string) {
    this.stack = `${run.prefix}-${name}`;
    this.folder = join(run.folder, name);
  }

  /** Prepares a stack without deploying it. */
  static async of(run: TestRun, name: string, config: Config = {}): Promise<OwnStack> {
    const stack = new OwnStack(run, name);
    await stack.prepare(config);
    return stack;
  }

  /** Gives the stack its folder and its config: free ports, and the given keys (without namespace). */
  protected async prepare(config: Config): Promise<void> {
    mkdirSync(join(this.folder, "backend"), { recursive: true });
    mkdirSync(join(this.folder, "home"));
    // Plugins are shared; what the CLI remembers (the selected stack of this folder) is not.
    symlinkSync(join(pulumiHome(), "plugins"), join(this.folder, "home", "plugins"));
    writeFileSync(join(this.folder, "passphrase"), `passphrase of ${this.stack}`);
    const names = Object.keys(defaultPorts);
    const ports = await freePorts(names.length);
    this.configure({
      ports: Object.fromEntries(names.map((port, index) => [port, ports[index]])),
      ...config,
    });
  }

  get configFile(): string {
    return join(projectFolder, `Pulumi.${this.stack}.yaml`);
  }

  /** The whole environment of the programs that work on this stack. */
  get environment(): Record<string, string> {
    const { PULUMI_STACK: _stack, PULUMI_CONFIG_PASSPHRASE: _passphrase, ...inherited } = process.env;
    const own = {
      ...inherited,
      PULUMI_BACKEND_URL: `file://${join(this.folder, "backend")}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: join(this.folder, "passphrase"),
      PULUMI_HOME: join(this.folder, "home"),
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      // Some libraries behave otherwise in a CI run: so does every test then, on every machine.
      CI: "true",
    };
    const all = { ...own, ...pulumiEnvironment(own) };
    return Object.fromEntries(Object.entries(all).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
  }

  /** Changes keys of the stack's config; `undefined` removes one. What else the file holds stays. */
  configure(changes: Config): void {
    const file = existsSync(this.configFile) ? parse(readFileSync(this.configFile, "utf8")) : {};
    const config: Record<string, unknown> = file.config ?? {};
    for (const [key, value] of Object.entries(changes)) config[`pg-continuity:${key}`] = value;
    const kept = Object.entries(config).filter(([, value]) => value !== undefined);
    writeFileSync(this.configFile, stringify({ ...file, config: Object.fromEntries(kept) }));
  }

  /** What `up` left in the stack's outputs: topology and accesses. Read once. */
  async deployed(): Promise<DeployedStack> {
    this.#deployed ??= await readStack(this.stack, this.environment);
    return this.#deployed;
  }

  /** The same, after something may have changed it. */
  async reread(): Promise<DeployedStack> {
    this.#deployed = undefined;
    return this.deployed();
  }

  /** The ports that were chosen for the stack. */
  get ports(): Readonly<Record<keyof typeof defaultPorts, number>> {
    return parse(readFileSync(this.configFile, "utf8")).config["pg-continuity:ports"];
  }

  /** Runs one of the project's programs as `npm run` does; never throws for its exit code. */
  script(file: string, args: readonly string[] = [], environment: Config = {}): Promise<ScriptResult> {
    return this.#run(
      process.execPath,
      ["scripts/launch/run.mjs", file, "--stack", this.stack, ...args],
      environment,
    );
  }

  /** Runs the Pulumi CLI in the project's folder; never throws for its exit code. */
  pulumi(args: readonly string[], environment: Config = {}): Promise<ScriptResult> {
    return this.#run("pulumi", [...args, "--non-interactive", "--stack", this.stack], environment);
  }

  up(...args: string[]): Promise<ScriptResult> {
    return this.script("scripts/up.ts", ["--json", ...args]);
  }

  preview(...args: string[]): Promise<ScriptResult> {
    return this.pulumi(["preview", ...args]);
  }

  down(...args: string[]): Promise<ScriptResult> {
    return this.script("scripts/down.ts", ["--yes", ...args]);
  }

  /** `status --json`, parsed; its exit code says the rest. */
  async status(): Promise<Status & { readonly exitCode: number | undefined }> {
    const { stdout, all, exitCode } = await this.script("scripts/status.ts", ["--json"]);
    if (exitCode !== 0 && exitCode !== 3) throw new Error(`status ended with ${exitCode}:\n${all}`);
    return { ...(JSON.parse(stdout) as Status), exitCode };
  }

  /** Removes the stack with its data and its config file. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, all } = await this.down("--volumes");
    rmSync(this.configFile, { force: true });
    rmSync(this.folder, { recursive: true, force: true });
    const isGone = all.includes("there is no such stack here");
    if (exitCode !== 0 && !isGone) throw new Error(`down of ${this.stack} ended with ${exitCode}:\n${all}`);
  }

  async #run(command: string, args: readonly string[], environment: Config): Promise<ScriptResult> {
    const { exitCode, stdout, all } = await execa(command, args, {
      cwd: projectFolder,
      env: { ...this.environment, ...(environment as Record<string, string>) },
      extendEnv: false,
      reject: false,
      all: true,
      stdin: "ignore",
    });
    return { exitCode, stdout, all };
  }
}
