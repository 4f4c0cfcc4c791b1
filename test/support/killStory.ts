import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import type { Evidence } from "../../core/transition/evidence.ts";
import { type TransitionName as Name, otherOf } from "../../core/transition/step.ts";
import { WritableWatcher } from "../../scripts/load/writableWatcher.ts";
import type { PausePoint } from "../../scripts/transition/pauseAt.ts";
import { Deployment } from "./deployment.ts";
import { eventually, healthy, Nodes } from "./nodes.ts";
import { damages, evidenceOf, roles, undamaged, underLoad } from "./transition.ts";
import { type Pause, tryKill, WorkingProcess } from "./transitionProcess.ts";

/**
 * Transitions of the shared deployment that are killed: what they start is ended after each test, and at no moment of it
 * two databases may have accepted writes. Each test begins where the one before has ended.
 */
export class KillStory {
  #deployment: Deployment | undefined;
  #nodes: Nodes | undefined;
  #watcher: WritableWatcher | undefined;
  #number = 0;
  readonly #prefix: string;
  readonly #started: WorkingProcess[] = [];
  readonly #orphans: number[] = [];

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Registers the hooks of the enclosing `describe`. `prefix`: of its transitions' ids. */
  static register(prefix: string): KillStory {
    const story = new KillStory(prefix);
    beforeAll(() => story.#begin());
    afterAll(() => story.#deployment?.configure({ transition: undefined, transitionId: undefined }));
    beforeEach(() => story.#watch());
    afterEach(() => story.#endTest());
    return story;
  }

  get deployment(): Deployment {
    if (!this.#deployment) throw new Error("the story has not begun");
    return this.#deployment;
  }

  get nodes(): Nodes {
    if (!this.#nodes) throw new Error("the story has not begun");
    return this.#nodes;
  }

  /** The id of this test's transition. */
  get id(): string {
    return `${this.#prefix}-${this.#number}`;
  }

  /** The file that lets a held transition of this test go on. */
  get go(): string {
    return join(this.deployment.folder, `go-${this.id}`);
  }

  /** `npm run transition`, held at a point where one is given. */
  begin(name: Name, pause?: Pause, ...options: string[]): WorkingProcess {
    return this.#working(WorkingProcess.transition(this.deployment, name, this.id, pause, ...options));
  }

  /** `pulumi up` with the transition in the config. */
  beginUp(name: Name, pause?: Pause): WorkingProcess {
    this.deployment.configure({ transition: name, transitionId: this.id });
    return this.#working(WorkingProcess.up(this.deployment, pause));
  }

  /** Any of the project's programs. */
  beginScript(file: string): WorkingProcess {
    return this.#working(WorkingProcess.script(this.deployment, file));
  }

  /**
   * `pulumi up` with the transition is held, and only pulumi is killed. The script that it has started may live on as an
   * orphan: a second `npm run up` waits for that, or takes over, and finishes.
   */
  async killPulumiAt(name: Name, at: PausePoint): Promise<void> {
    const up = this.beginUp(name, { at, until: this.go });
    await up.says(`paused at ${at}`);
    this.#orphans.push(...up.descendants);
    await up.kill();
    const second = this.beginScript("scripts/up.ts");
    await second.says(/another transition is running|done in \d|evidence: /);
    writeFileSync(this.go, "");
    expect([[0, 3].includes((await second.ended()) ?? -1), second.output]).toEqual([
      true,
      expect.stringContaining("removed the lock of a pulumi"),
    ]);
  }

  /**
   * The end that every transition has to have.
   *
   * @param lostWrites what its evidence is to say of them
   */
  async expectDone(name: Name, lostWrites: Evidence["lostWrites"] = 0): Promise<void> {
    const writable = name === "promote" ? "read-only" : "shared";
    const other = otherOf(writable);
    await eventually("both databases are what they should be", async () => {
      const now = await roles(this.deployment);
      return now[`${writable} database`] === "primary" && now[`${other} database`] === "standby";
    });
    expect(
      await this.nodes.sql(`${writable}-database`, "SELECT application_name, state FROM pg_stat_replication"),
    ).toBe(`${other}-database|streaming`);
    expect(evidenceOf(this.deployment, this.id)).toMatchObject({
      verdict: expect.stringMatching(/^done/),
      lostWrites,
    });
  }

  /** Does something to a transition while clients write, and proves that nothing was lost or doubled. */
  async losesNothing(work: () => Promise<void>): Promise<void> {
    const { load } = await underLoad(this.deployment, work);
    expect(await damages(this.deployment, load)).toEqual(undamaged);
  }

  async #begin(): Promise<void> {
    this.#deployment = await Deployment.shared();
    this.#nodes = await Nodes.of(this.#deployment);
    await healthy(this.#deployment);
  }

  async #watch(): Promise<void> {
    this.#number++;
    this.#watcher = new WritableWatcher(await this.deployment.deployed());
  }

  async #endTest(): Promise<void> {
    await this.#watcher?.stop();
    for (const worker of this.#started.splice(0)) await worker.killTree();
    for (const pid of this.#orphans.splice(0)) tryKill(pid);
    expect(this.#watcher?.twoWritable).toEqual([]);
    expect(this.#watcher?.samples.one).toBeGreaterThan(5);
  }

  #working(worker: WorkingProcess): WorkingProcess {
    this.#started.push(worker);
    return worker;
  }
}
