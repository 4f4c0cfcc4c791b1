import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Step } from "../../core/transition/step.ts";

/** Where a transition can be held: around each step, and where a swap has no writable database. */
export type PausePoint = `before:${Step["kind"]}` | `after:${Step["kind"]}` | "stopped:switch-over";

/**
 * For tests and drills only: holds the driver at a point that the environment names, so that it, or a database, can be
 * killed exactly there. Without the variable this does nothing.
 *
 * - `PG_CONTINUITY_PAUSE_AT`: `before:switch-over`, `after:follow`, `stopped:switch-over` …
 * - `PG_CONTINUITY_PAUSE_UNTIL`: goes on once this file exists; without it the driver waits until it is ended
 */
export async function pauseAt(point: PausePoint, progress: (text: string) => void): Promise<void> {
  if (process.env.PG_CONTINUITY_PAUSE_AT !== point) return;
  const file = process.env.PG_CONTINUITY_PAUSE_UNTIL;
  progress(`paused at ${point} (PG_CONTINUITY_PAUSE_AT)${file ? `, until there is ${file}` : ""}`);
  while (file === undefined || !existsSync(file)) await sleep(20);
}
