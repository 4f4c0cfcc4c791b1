import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Context } from "./context.ts";
import { SetupError } from "./errors.ts";
import { findOnPath } from "./paths.ts";

/**
 * Holds a lock on the file until the returned function is called or this process ends in any way.
 *
 * `flock` (util-linux) holds it, for as long as its standard input is open: the kernel closes that with this process,
 * so no lock can outlive its owner. Where there is no flock (macOS), setup goes on without: every install is atomic.
 */
export async function acquireLock(context: Context, file: string, onWait: () => void): Promise<() => void> {
  const [flock] = findOnPath("flock", context.env.PATH);
  if (!flock) return () => undefined;
  mkdirSync(dirname(file), { recursive: true });
  const holder = spawn(flock, ["--exclusive", file, "sh", "-c", "echo held; cat >/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    // Out of the terminal's group: Ctrl-C must not free the lock before this process has cleaned up.
    detached: true,
  });
  const waiting = setTimeout(onWait, 300);
  const stop = () => holder.kill();
  context.signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.race([once(holder.stdout, "data"), once(holder, "exit")]);
  } finally {
    clearTimeout(waiting);
    context.signal.removeEventListener("abort", stop);
  }
  context.throwIfInterrupted();
  if (holder.exitCode !== null) {
    throw new SetupError(
      "lock",
      `${file} cannot be locked (flock ended with ${holder.exitCode})`,
      "Check its rights",
    );
  }
  holder.unref();
  return () => {
    holder.stdin.end();
  };
}
