import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { inject } from "vitest";
import { parse, stringify } from "yaml";
import { rotatable } from "../../core/rotation.ts";
import { configNamespace, withoutSecrets } from "../../core/settings.ts";
import { settingsOf } from "./fixtures.ts";
import { handOutConfig, isSameConfig, type StackConfig } from "./leftOver.ts";
import { healthy } from "./nodes.ts";
import { type Config, OwnStack, type ScriptResult } from "./ownStack.ts";

export type { ScriptResult } from "./ownStack.ts";

/** A stack of a test run. */
export class Deployment extends OwnStack {
  /** Prepares a stack without deploying it. `config`: keys without namespace; free ports are chosen for it. */
  static async create(name: string, config: Config = {}): Promise<Deployment> {
    const deployment = new Deployment(inject("run"), name);
    await deployment.prepare(config);
    return deployment;
  }

  /** Prepares a stack and brings it up. */
  static async start(name: string, config: Config = {}): Promise<Deployment> {
    const deployment = await Deployment.create(name, config);
    const { exitCode, all } = await deployment.up();
    if (exitCode !== 0) throw new Error(`up of ${deployment.stack} ended with ${exitCode}:\n${all}`);
    return deployment;
  }

  /**
   * The deployment that the test files of a run share, one after the other: brought up by the first that asks, removed
   * at the run's end. Whoever uses it leaves it as it was; where a failed file did not, it is set right, or if that
   * fails, too, the next one gets a new one.
   */
  static async shared(): Promise<Deployment> {
    const run = inject("run");
    const current = join(run.folder, "shared-deployment");
    const number = existsSync(current) ? Number(readFileSync(current, "utf8")) : 0;
    if (number > 0) {
      const deployment = new Deployment(run, `shared-${number}`);
      try {
        await deployment.#setRight();
        return deployment;
      } catch (error) {
        console.warn(`a new shared deployment, because a test file left it broken: ${error}`);
        await deployment[Symbol.asyncDispose]();
      }
    }
    const started = await Deployment.start(`shared-${number + 1}`);
    copyFileSync(started.configFile, started.#madeConfigFile);
    writeFileSync(current, `${number + 1}`);
    return started;
  }

  /** The config that the shared deployment was made with. */
  get #madeConfigFile(): string {
    return join(this.folder, "made-config.yaml");
  }

  /** As it was made: config, what is applied, who is writable, everything running. Nothing is applied where it is. */
  async #setRight(): Promise<void> {
    const { settings } = await this.reread();
    const { config: left = {}, ...file }: { config?: StackConfig } = parse(
      readFileSync(this.configFile, "utf8"),
    );
    const made: StackConfig = parse(readFileSync(this.#madeConfigFile, "utf8")).config;
    const wanted = handOutConfig(made, settings.credentials);
    writeFileSync(this.configFile, stringify({ ...file, config: wanted }));
    const own = Object.entries(wanted).map(([key, value]) => [key.slice(configNamespace.length + 1), value]);
    const isApplied = isDeepStrictEqual(settings, withoutSecrets(settingsOf(Object.fromEntries(own))));
    if (!isSameConfig(wanted, left) || !isApplied) {
      console.warn(`a test file left other settings in ${this.stack}: they are taken back`);
      await this.#worked(this.up());
    }
    const unfinished = rotatable.filter(
      (kind) => settings.credentials[kind][0] > (settings.credentials[kind][1] ?? Number.POSITIVE_INFINITY),
    );
    if (unfinished.length > 0)
      await this.#worked(this.script("scripts/rotate.ts", [...unfinished, "--force"]));
    await this.reread();
    const { phase } = await healthy(this, 20).catch(async () => {
      // What was stopped is started, what was changed past the config taken back.
      await this.#worked(this.up());
      return healthy(this, 20);
    });
    if (phase !== "normal")
      await this.#worked(this.script("scripts/transition.ts", ["restore", "--id", "HAND-OUT"]));
    await this.reread();
  }

  async #worked(result: Promise<ScriptResult>): Promise<void> {
    const { exitCode, all } = await result;
    if (exitCode !== 0) throw new Error(`it cannot be set right:\n${all}`);
  }
}
