import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { TransitionName as Name } from "../../core/transition/step.ts";
import { WritableWatcher } from "../../scripts/load/writableWatcher.ts";
import type { PausePoint } from "../../scripts/transition/pauseAt.ts";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import {
  damages,
  evidenceOf,
  roles,
  runAgain,
  transition,
  undamaged,
  underLoad,
} from "../support/transition.ts";
import { type Pause, tryKill, WorkingProcess } from "../support/transitionProcess.ts";

// Each test begins where the one before has ended: promotes and restores alternate.
describe.sequential("a transition is killed", () => {
  let deployment: Deployment;
  let nodes: Nodes;
  let watcher: WritableWatcher;
  let number = 0;
  const started: WorkingProcess[] = [];
  const orphans: number[] = [];

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    await healthy(deployment);
  });
  afterAll(() => {
    deployment?.configure({ transition: undefined, transitionId: undefined });
  });
  beforeEach(async () => {
    number++;
    watcher = new WritableWatcher(await deployment.deployed());
  });
  afterEach(async () => {
    await watcher.stop();
    for (const worker of started.splice(0)) await worker.killTree();
    for (const pid of orphans.splice(0)) tryKill(pid);
    expect(watcher.twoWritable).toEqual([]);
    expect(watcher.samples.one).toBeGreaterThan(5);
  });

  const id = () => `K-${number}`;
  const go = () => join(deployment.folder, `go-${number}`);
  const writableAfter = (name: Name) => (name === "promote" ? "read-only" : "shared");

  function begin(name: Name, pause?: Pause): WorkingProcess {
    const worker = WorkingProcess.transition(deployment, name, id(), pause);
    started.push(worker);
    return worker;
  }

  /** `pulumi up` with the transition in the config. */
  function beginUp(name: Name, pause?: Pause): WorkingProcess {
    deployment.configure({ transition: name, transitionId: id() });
    const worker = WorkingProcess.up(deployment, pause);
    started.push(worker);
    return worker;
  }

  /** The end that every one of these stories has to have. */
  async function expectDone(name: Name): Promise<void> {
    const writable = writableAfter(name);
    const other = writable === "shared" ? "read-only" : "shared";
    await eventually("both databases are what they should be", async () => {
      const now = await roles(deployment);
      return now[`${writable} database`] === "primary" && now[`${other} database`] === "standby";
    });
    expect(
      await nodes.sql(`${writable}-database`, "SELECT application_name, state FROM pg_stat_replication"),
    ).toBe(`${other}-database|streaming`);
    expect(evidenceOf(deployment, id())).toMatchObject({ verdict: expect.stringMatching(/^done/) });
  }

  /** Does something to a transition while clients write, and proves that nothing was lost or doubled. */
  async function losesNothing(work: () => Promise<void>): Promise<void> {
    const { load } = await underLoad(deployment, work);
    expect(await damages(deployment, load)).toEqual(undamaged);
  }

  const points: readonly [Name, PausePoint][] = [
    ["promote", "before:switch-over"],
    ["restore", "before:switch-over"],
    ["promote", "stopped:switch-over"],
    ["restore", "stopped:switch-over"],
    ["promote", "after:switch-over"],
    ["restore", "after:switch-over"],
    ["promote", "after:follow"],
    ["restore", "after:follow"],
    ["rebuild", "before:copy"],
    ["rebuild", "after:copy"],
  ];
  it.each(points)("%s, with all that it started, %s: run again it finishes", async (name, at) => {
    await losesNothing(async () => {
      const worker = begin(name, { at });
      await worker.says(`paused at ${at}`);
      await worker.killTree();
      expect((await runAgain(deployment, name, id())).verdict).toMatch(/^done/);
    });
    await expectDone(name);
  });

  // Milliseconds after the order to stop writes was given, or before; the moment itself is what varies.
  it.each<[Name, number]>([
    ["promote", 30],
    ["restore", 90],
    ["promote", 150],
    ["restore", 250],
  ])("%s, some time in the middle of the swap (%d ms): run again it finishes", async (name, milliseconds) => {
    await losesNothing(async () => {
      const worker = begin(name);
      await worker.says("(writes wait)");
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      await worker.killTree();
      expect((await runAgain(deployment, name, id())).verdict).toMatch(/^done/);
    });
    await expectDone(name);
  });

  it("pulumi up with all that it started: up clears the dead lock and finishes", async () => {
    await losesNothing(async () => {
      const up = beginUp("promote", { at: "stopped:switch-over" });
      await up.says("paused at stopped:switch-over");
      await up.killTree();
      const { exitCode, all } = await deployment.up();
      expect([exitCode, all]).toEqual([
        expect.any(Number),
        expect.stringContaining("removed the lock of a pulumi"),
      ]);
      expect([0, 3]).toContain(exitCode);
    });
    await expectDone("promote");
  });

  // Whether the script outlives its pulumi depends on the plugin: the official one leaves it running for ever, one that
  // notices the broken connection ends it. Both must come to the same end.
  it("only pulumi: a second up clears its lock, waits for an orphan that acts, and finishes", async () => {
    await losesNothing(async () => {
      const up = beginUp("restore", { at: "stopped:switch-over", until: go() });
      await up.says("paused at stopped:switch-over");
      orphans.push(...up.descendants);
      await up.kill();
      const second = WorkingProcess.script(deployment, "scripts/up.ts");
      started.push(second);
      await second.says(/another transition is running|promote shared/);
      writeFileSync(go(), "");
      expect([await second.ended(), second.output]).toEqual([
        0,
        expect.stringContaining("removed the lock of a pulumi"),
      ]);
    });
    await expectDone("restore");
    expect((await healthy(deployment)).phase).toBe("normal");
    deployment.configure({ transition: undefined, transitionId: undefined });
  });

  it("a second driver waits for the first; for the same id it has nothing to do", async () => {
    const first = begin("promote", { at: "before:switch-over", until: go() });
    await first.says("paused at before:switch-over");
    const second = begin("promote");
    await second.says(/waiting: another transition is running \(.*K-/);
    expect(await nodes.sql("read-only-database", "SELECT pg_is_in_recovery()")).toBe("t");
    writeFileSync(go(), "");
    expect([await first.ended(), first.output]).toEqual([0, expect.stringContaining("promote: done")]);
    expect([await second.ended(), second.output]).toEqual([0, expect.stringContaining("promote: done")]);
    expect((await transition(deployment, "restore", id())).exitCode).toBe(0);
    await expectDone("restore");
  });

  it.each<[Name, PausePoint, string]>([
    ["promote", "before:switch-over", "shared-database"],
    ["restore", "before:switch-over", "shared-database"],
    ["promote", "stopped:switch-over", "read-only-database"],
    ["restore", "stopped:switch-over", "read-only-database"],
    ["promote", "after:switch-over", "read-only-database"],
    ["restore", "after:switch-over", "read-only-database"],
  ])("%s, %s the %s crashes: it goes on or is run again, and finishes", async (name, at, node) => {
    await losesNothing(async () => {
      const worker = begin(name, { at, until: go() });
      await worker.says(`paused at ${at}`);
      await nodes.crash(node);
      writeFileSync(go(), "");
      if ((await worker.ended()) === 0) return;
      // It may also say that it cannot go on yet: the node has to come back first.
      await eventually(
        "run again it finishes",
        async () => {
          await runAgain(deployment, name, id());
          return true;
        },
        60,
      );
    });
    await expectDone(name);
  });
});
