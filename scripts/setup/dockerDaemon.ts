import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { basename } from "node:path";
import type { Context } from "./context.ts";
import { hasCode } from "./errors.ts";

/** Where an engine that setup starts itself keeps its run-time files. */
export interface Daemon {
  readonly socket: string;
  /** Pid files of the engine and of the programs that it starts, with the program that each is for. */
  readonly pidFiles: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly args: readonly string[];
}

/** The engine as the distribution's package would run it. */
export const defaultDaemon: Daemon = {
  socket: "/var/run/docker.sock",
  pidFiles: {
    "/var/run/docker.pid": "dockerd",
    "/var/run/docker/containerd/containerd.pid": "containerd",
    "/run/docker/libcontainerd/docker-containerd.pid": "containerd",
  },
  logFile: "/var/log/pg-continuity-dockerd.log",
  args: [],
};

/**
 * Starts dockerd in a session of its own, so that it outlives setup and its terminal. What a dead engine has left (pid
 * file, socket) is removed first: the number in such a file may belong to another program by now, and then the engine
 * would refuse to start.
 */
export function startDetached(
  context: Context,
  daemon: Daemon,
): { logFile: string; hasEnded: () => boolean } {
  const isAlive = removeStaleFiles(context, daemon);
  if (isAlive) {
    context.log.write("dockerd runs already and has not answered yet: waiting for it");
    return { logFile: daemon.logFile, hasEnded: () => false };
  }
  const output = openSync(daemon.logFile, "a", 0o640);
  try {
    const child = spawn("dockerd", daemon.args, {
      detached: true,
      stdio: ["ignore", output, output],
      env: context.env,
    });
    context.log.write(
      `$ dockerd ${daemon.args.join(" ")} (process ${child.pid}, output in ${daemon.logFile})`,
    );
    let hasEnded = false;
    child.on("error", (error) => {
      context.log.write(error.message);
      hasEnded = true;
    });
    child.on("exit", () => {
      hasEnded = true;
    });
    child.unref();
    return { logFile: daemon.logFile, hasEnded: () => hasEnded };
  } finally {
    closeSync(output);
  }
}

/** Removes what a dead engine has left; true when the engine is alive. */
export function removeStaleFiles(context: Context, daemon: Daemon): boolean {
  let isAlive = false;
  for (const [pidFile, program] of Object.entries(daemon.pidFiles)) {
    const pid = readPid(pidFile);
    if (pid === undefined) continue;
    if (isRunning(pid, program)) {
      isAlive ||= program === "dockerd";
    } else {
      context.log.write(`${pidFile} names process ${pid}, which is no ${program}: removed`);
      rmSync(pidFile, { force: true });
    }
  }
  if (!isAlive) rmSync(daemon.socket, { force: true });
  return isAlive;
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(file, "utf8"), 10);
    return Number.isNaN(pid) ? 0 : pid;
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

function isRunning(pid: number, program: string): boolean {
  try {
    const [executable = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return basename(executable) === program;
  } catch (error) {
    if (hasCode(error, "ENOENT", "ESRCH")) return false;
    throw error;
  }
}
