import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inject } from "vitest";
import { type Config, OwnStack } from "./ownStack.ts";

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
   * The one deployment that the test files of a run share: brought up by the first that asks, removed at the run's
   * end. Whoever uses it leaves it as it was.
   */
  static async shared(): Promise<Deployment> {
    const deployment = new Deployment(inject("run"), "shared");
    const ready = join(deployment.folder, "ready");
    if (existsSync(ready)) return deployment;
    if (existsSync(deployment.folder))
      throw new Error("the shared deployment could not be brought up, see above");
    const started = await Deployment.start("shared");
    writeFileSync(ready, "");
    return started;
  }
}
