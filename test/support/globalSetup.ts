import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

  let isDone = false;
  const clean = async () => {
    if (isDone) return;
    isDone = true;
    await reap(prefix);
    rmSync(folder, { recursive: true, force: true });
  };
  // vitest ends at once on a signal, without its teardown.
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      clean().finally(() => process.exit(130));
    });
  return clean;
}
