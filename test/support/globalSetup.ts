import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { reap, type TestRun } from "./run.ts";

declare module "vitest" {
  export interface ProvidedContext {
    run: TestRun;
  }
}

/** Names the run, and removes at its end, however it ends, whatever its tests have left. */
export default function setup(project: TestProject): () => Promise<void> {
  const prefix = `test-${randomBytes(3).toString("hex")}`;
  const folder = mkdtempSync(join(tmpdir(), `pg-continuity-${prefix}-`));
  project.provide("run", { prefix, folder });

  // Outlives this process: vitest ends at once on a signal, and nobody can act on a SIGKILL.
  const program = fileURLToPath(new URL("reaper.ts", import.meta.url));
  const reaper = spawn(process.execPath, ["--import=tsx", program, prefix, folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  reaper.unref();

  return async () => {
    // Unit tests need no engine: what no test has begun nobody has to remove.
    if (readdirSync(folder).length > 0) await reap(prefix);
    rmSync(folder, { recursive: true, force: true });
    reaper.stdin.end();
  };
}
