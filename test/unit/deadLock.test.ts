import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clearDeadLocks } from "../../scripts/cli/deadLock.ts";

const timestamp = "2026-01-02T03:04:05Z";

describe("clearDeadLocks", () => {
  let backend = "";
  let environment: NodeJS.ProcessEnv = {};
  beforeEach(() => {
    backend = mkdtempSync(join(tmpdir(), "pg-continuity-locks-"));
    environment = { PULUMI_BACKEND_URL: `file://${backend}` };
  });
  afterEach(() => rmSync(backend, { recursive: true, force: true }));

  function lock(content: string, stack = "unit"): string {
    const folder = join(backend, ".pulumi", "locks", "organization", "pg-continuity", stack);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, "0a1b.json");
    writeFileSync(file, content);
    return file;
  }

  /** The number of a process that has ended. */
  function deadPid(): number {
    return spawnSync(process.execPath, ["-e", ""]).pid;
  }

  it("removes the lock of a process that is gone on this machine", () => {
    const pid = deadPid();
    const file = lock(JSON.stringify({ pid, hostname: hostname(), username: "x", timestamp }));
    expect(clearDeadLocks("pg-continuity", "unit", environment)).toEqual([{ pid, since: timestamp }]);
    expect(existsSync(file)).toBe(false);
  });

  it("removes it where another program has the number now", () => {
    const file = lock(JSON.stringify({ pid: process.pid, hostname: hostname(), timestamp }));
    expect(clearDeadLocks("pg-continuity", "unit", environment)).toHaveLength(1);
    expect(existsSync(file)).toBe(false);
  });

  it("leaves the lock of a pulumi that lives", async () => {
    const folder = mkdtempSync(join(tmpdir(), "pg-continuity-pulumi-"));
    const program = join(folder, "pulumi");
    writeFileSync(program, "#!/bin/sh\nread line\n", { mode: 0o755 });
    const child = spawn(program, { stdio: ["pipe", "ignore", "ignore"] });
    try {
      await new Promise((resolve) => child.once("spawn", resolve));
      const file = lock(JSON.stringify({ pid: child.pid, hostname: hostname(), timestamp }));
      expect(clearDeadLocks("pg-continuity", "unit", environment)).toEqual([]);
      expect(existsSync(file)).toBe(true);
    } finally {
      child.kill();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it.each([
    ["of another machine", JSON.stringify({ pid: 1, hostname: "elsewhere.example", timestamp })],
    ["that is half written", '{"pid": 12'],
  ])("leaves a lock %s", (_what, content) => {
    const file = lock(content);
    expect(clearDeadLocks("pg-continuity", "unit", environment)).toEqual([]);
    expect(existsSync(file)).toBe(true);
  });

  it("leaves another stack's lock", () => {
    const file = lock(JSON.stringify({ pid: deadPid(), hostname: hostname(), timestamp }), "other");
    expect(clearDeadLocks("pg-continuity", "unit", environment)).toEqual([]);
    expect(existsSync(file)).toBe(true);
  });

  it("finds nothing in a backend elsewhere, and none where nothing was ever locked", () => {
    expect(clearDeadLocks("pg-continuity", "unit", { PULUMI_BACKEND_URL: "s3://bucket" })).toEqual([]);
    expect(clearDeadLocks("pg-continuity", "unit", environment)).toEqual([]);
  });
});
