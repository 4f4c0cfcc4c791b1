import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { projectFolder } from "../../scripts/setup/paths.ts";
import type { PausePoint } from "../../scripts/transition/pauseAt.ts";
import type { Deployment } from "./deployment.ts";
import { eventually } from "./nodes.ts";

/** Where a transition is held, and until when: without a file until it is killed. */
export interface Pause {
  readonly at: PausePoint;
  readonly until?: string;
}

/** A program that works on a stack, as a process that can be watched and killed. */
export class WorkingProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  output = "";

  private constructor(command: string, args: readonly string[], environment: Record<string, string>) {
    this.#child = spawn(command, args, {
      cwd: projectFolder,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    this.#ended = new Promise((resolve) => this.#child.once("exit", (code) => resolve(code)));
  }

  /** `npm run transition -- NAME --id ID`, held at a point where one is given. */
  static transition(deployment: Deployment, name: string, id: string, pause?: Pause, ...options: string[]) {
    const script = [
      "scripts/launch/run.mjs",
      "scripts/transition.ts",
      "--stack",
      deployment.stack,
      name,
      "--id",
      id,
    ];
    return new WorkingProcess(process.execPath, [...script, ...options], environmentOf(deployment, pause));
  }

  /** Any of the project's programs. */
  static script(deployment: Deployment, file: string, ...options: string[]) {
    const args = ["scripts/launch/run.mjs", file, "--stack", deployment.stack, ...options];
    return new WorkingProcess(process.execPath, args, environmentOf(deployment, undefined));
  }

  /** `pulumi up` with what the config says, held at a point where one is given. */
  static up(deployment: Deployment, pause?: Pause) {
    return new WorkingProcess(
      "pulumi",
      ["up", "--yes", "--skip-preview", "--non-interactive", "--stack", deployment.stack],
      environmentOf(deployment, pause),
    );
  }

  /** Waits until it has printed something. @throws with all that it has printed */
  async says(text: string | RegExp, seconds = 60): Promise<void> {
    const found = () => (typeof text === "string" ? this.output.includes(text) : text.test(this.output));
    try {
      await eventually(
        `${text}`,
        async () => {
          if (!found() && this.#child.exitCode !== null) return "ended";
          return found() || undefined;
        },
        seconds,
      );
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}; it printed:\n${this.output}`);
    }
    if (!found()) throw new Error(`it ended without saying ${text}:\n${this.output}`);
  }

  /** The exit code; null after a signal. */
  ended(): Promise<number | null> {
    return this.#ended;
  }

  /** Ends only the program itself, at once; what it has started lives on. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Ends the program and everything that it has started, at once: the machine that it ran on is gone. */
  async killTree(): Promise<void> {
    for (const pid of descendants(this.#pid)) tryKill(pid);
    await this.#ended;
  }

  /** Processes that it has started, and theirs, that live now. */
  get descendants(): readonly number[] {
    return descendants(this.#pid).slice(1);
  }

  get #pid(): number {
    if (this.#child.pid === undefined) throw new Error("the process was not started");
    return this.#child.pid;
  }
}

/** Begins a transition from the shell, and kills it with all that it has started where it has come to a point. */
export async function killedAt(
  deployment: Deployment,
  at: PausePoint,
  [name, id, ...options]: readonly [name: string, id: string, ...options: string[]],
): Promise<void> {
  const begun = WorkingProcess.transition(deployment, name, id, { at }, ...options);
  await begun.says(`paused at ${at}`);
  await begun.killTree();
}

function environmentOf(deployment: Deployment, pause: Pause | undefined): Record<string, string> {
  return {
    ...deployment.environment,
    ...(pause ? { PG_CONTINUITY_PAUSE_AT: pause.at } : {}),
    ...(pause?.until ? { PG_CONTINUITY_PAUSE_UNTIL: pause.until } : {}),
  };
}

/** A process and all below it, parents first. */
function descendants(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = parentOf(Number(entry));
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  // A set: numbers are used again while /proc is read, so that a process may seem to be its own ancestor.
  const found = new Set([root]);
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child);
  return [...found];
}

function parentOf(pid: number): number | undefined {
  try {
    // The name is in parentheses and may hold anything; after it come state and parent.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    // It has just ended.
    return undefined;
  }
}

/** Kills a process; one that has ended meanwhile is no error. */
export function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
