import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inject } from "vitest";
import { healthy } from "./nodes.ts";
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
   * The deployment that the test files of a run share, one after the other: brought up by the first that asks, removed
   * at the run's end. Whoever uses it leaves it as it was; where a failed file did not, the next one gets a new one.
   */
  static async shared(): Promise<Deployment> {
    const run = inject("run");
    const current = join(run.folder, "shared-deployment");
    const number = existsSync(current) ? Number(readFileSync(current, "utf8")) : 0;
    if (number > 0) {
      const deployment = new Deployment(run, `shared-${number}`);
      try {
        await healthy(deployment, 20);
        return deployment;
      } catch (error) {
        console.warn(`a new shared deployment, because a test file left it broken: ${error}`);
        await deployment[Symbol.asyncDispose]();
      }
    }
    const started = await Deployment.start(`shared-${number + 1}`);
    writeFileSync(current, `${number + 1}`);
    return started;
  }
}
