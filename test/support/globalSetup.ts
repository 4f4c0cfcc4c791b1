import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { reap, startReaper, type TestRun } from "./run.ts";

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

  const release = startReaper({ prefix, folder });

  return async () => {
    // Unit tests need no engine: what no test has begun nobody has to remove.
    if (readdirSync(folder).length > 0) await reap(prefix);
    rmSync(folder, { recursive: true, force: true });
    release();
  };
}
