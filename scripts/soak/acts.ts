import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { otherOf, type TransitionName } from "../../core/transition/step.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import type { DeployedStack } from "../cli/pulumi.ts";
import { execute } from "../docker/container.ts";
import { containerOf } from "../observe/index.ts";
import type { SeededRandom } from "./random.ts";

/** One thing that a soak does to a deployment; what it is was decided before, so that a seed repeats it. */
export interface Act {
  readonly what: string;
  readonly run: () => Promise<void>;
  /** The database that is to be the writable one afterwards. */
  readonly writable: DatabaseName;
}

/** How long a transition may take under faults, in seconds. */
const transitionSeconds = 180;

/** The next act from what is the case and from chance alone. */
export function nextAct(
  stack: DeployedStack,
  writable: DatabaseName,
  random: SeededRandom,
  transitionId: string,
): Act {
  const swap: TransitionName = writable === "shared" ? "promote" : "restore";
  const afterSwap: DatabaseName = otherOf(writable);
  const standby = afterSwap;
  const milliseconds = random.between(0, 3000);
  const kind = random.pick([
    ...(["swap", "swap", "kill-driver", "kill-driver", "crash-during-swap"] as const),
    ...(["crash-writable", "crash-standby", "restart-server", "rebuild"] as const),
  ]);
  const victim = random.pick(stack.topology.databases.map(({ name }) => name));
  const server = random.pick(stack.topology.servers);
  switch (kind) {
    case "swap":
      return { what: swap, writable: afterSwap, run: () => finish(stack, swap, transitionId) };
    case "kill-driver":
      return {
        what: `${swap}, its driver killed after ${milliseconds} ms, and run again`,
        writable: afterSwap,
        run: async () => {
          await killedAfter(stack, swap, transitionId, milliseconds);
          await finish(stack, swap, transitionId);
        },
      };
    case "crash-during-swap":
      return {
        what: `${swap}, ${victim} crashes after ${milliseconds} ms`,
        writable: afterSwap,
        run: async () => {
          const running = attempt(stack, swap, transitionId);
          await sleep(milliseconds);
          await crash(stack, victim);
          if ((await running).code !== 0) await finish(stack, swap, transitionId);
        },
      };
    case "crash-writable":
      return { what: `${writable} crashes`, writable, run: () => crash(stack, writable) };
    case "crash-standby":
      return { what: `${standby} crashes`, writable, run: () => crash(stack, standby) };
    case "restart-server":
      return {
        what: `the ${server.name} server is killed and started`,
        writable,
        run: async () => containerOf(server).restart({ t: 0 }),
      };
    case "rebuild":
      // The read-only database cannot be rebuilt while it is the writable one.
      return writable === "shared"
        ? { what: "rebuild", writable, run: () => finish(stack, "rebuild", transitionId) }
        : { what: swap, writable: afterSwap, run: () => finish(stack, swap, transitionId) };
  }
}

/** Runs a transition until it is done. @throws with its last words when it does not come to its end */
export async function finish(
  stack: DeployedStack,
  transition: TransitionName,
  transitionId: string,
): Promise<void> {
  const deadline = Date.now() + transitionSeconds * 1000;
  while (true) {
    const { code, output } = await attempt(stack, transition, transitionId);
    if (code === 0) return;
    if (Date.now() > deadline)
      throw new Error(
        `${transition} (${transitionId}) was not done within ${transitionSeconds} s: ${output.trim().slice(-600)}`,
      );
    await sleep(500);
  }
}

function start(stack: DeployedStack, transition: TransitionName, transitionId: string) {
  // A program of its own, so that it can be killed; a process group of its own, so that nothing of it stays.
  return spawn(
    process.execPath,
    [
      "scripts/launch/run.mjs",
      "scripts/transition.ts",
      "--stack",
      stack.name,
      transition,
      "--id",
      transitionId,
    ],
    { stdio: ["ignore", "ignore", "pipe"], detached: true },
  );
}

async function attempt(
  stack: DeployedStack,
  transition: TransitionName,
  transitionId: string,
): Promise<{ code: number | null; output: string }> {
  const child = start(stack, transition, transitionId);
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, output };
}

/** Starts a transition, and kills its driver some time after it has begun its first step, or when it has ended. */
async function killedAfter(
  stack: DeployedStack,
  transition: TransitionName,
  transitionId: string,
  milliseconds: number,
): Promise<void> {
  const child = start(stack, transition, transitionId);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const began = new Promise<void>((resolve) => {
    child.stderr.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes("…")) resolve();
    });
  });
  await Promise.race([began, ended]);
  await Promise.race([sleep(milliseconds), ended]);
  if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
  await ended;
}

/** Ends postgres as a crash does, from inside: the engine's own kill would keep the container from starting again. */
async function crash(stack: DeployedStack, name: DatabaseName): Promise<void> {
  const node = stack.topology.databases.find((database) => database.name === name);
  if (!node) throw new Error(`the model has no database named ${name}`);
  const script = "kill -KILL $(head -n 1 /var/lib/postgresql/data/postmaster.pid)";
  const container = containerOf(node);
  const { State } = await container.inspect();
  // One that is down already, because a transition restarts it, has nothing to crash.
  if (State.Running) await execute(container, ["sh", "-c", script]);
}
