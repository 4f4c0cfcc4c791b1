// Setup starts an engine on a machine where one has died and left its files. A second engine beside the machine's own,
// in a network of its own: an engine without a bridge removes the bridge that it finds, which would be the other's.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { isRoot } from "../../scripts/setup/aptPackages.ts";
import { Context } from "../../scripts/setup/context.ts";
import { startDetached } from "../../scripts/setup/dockerDaemon.ts";
import { Log } from "../../scripts/setup/log.ts";
import { findOnPath } from "../../scripts/setup/paths.ts";

const [dockerd] = findOnPath("dockerd");
const canStart = isRoot() && dockerd !== undefined && findOnPath("unshare").length > 0;
const folder = mkdtempSync(join(tmpdir(), "pg-continuity-engine-"));
const socket = join(folder, "docker.sock");
const pidFile = join(folder, "docker.pid");
const daemon = {
  socket,
  pidFiles: { [pidFile]: "dockerd" },
  logFile: join(folder, "dockerd.log"),
  args: [
    `--host=unix://${socket}`,
    `--pidfile=${pidFile}`,
    `--data-root=${join(folder, "data")}`,
    `--exec-root=${join(folder, "exec")}`,
    "--bridge=none",
    "--iptables=false",
    "--storage-driver=vfs",
  ],
};

describe.runIf(canStart)("an engine that has died and left its files", () => {
  const programs = join(folder, "bin");
  mkdirSync(programs);
  writeFileSync(join(programs, "dockerd"), `#!/bin/sh\nexec unshare --net "${dockerd}" "$@"\n`);
  chmodSync(join(programs, "dockerd"), 0o755);
  const context = new Context({
    env: { ...process.env, PATH: `${programs}:${process.env.PATH}` },
    log: new Log(folder, "test"),
    signal: new AbortController().signal,
  });
  const engineProcess = () =>
    existsSync(pidFile) ? Number.parseInt(readFileSync(pidFile, "utf8"), 10) : undefined;

  afterAll(async () => {
    const pid = engineProcess();
    if (pid && pid !== process.pid) process.kill(pid, "SIGTERM");
    for (let tries = 0; tries < 100 && existsSync(pidFile); tries++) await sleep(100);
    rmSync(folder, { recursive: true, force: true });
  }, 20_000);

  it("starts again, and is left alone once it runs", async () => {
    // The number of a process that lives and is no engine: dockerd itself would refuse to start.
    writeFileSync(pidFile, String(process.pid));
    writeFileSync(socket, "");
    const { hasEnded } = startDetached(context, daemon);
    const ask = () =>
      context.run("docker", ["version", "--format", "{{.Server.Version}}"], {
        env: { DOCKER_HOST: `unix://${socket}`, DOCKER_CONTEXT: undefined },
      });
    const deadline = Date.now() + 50_000;
    while (!(await ask()).ok && Date.now() < deadline && !hasEnded()) await sleep(200);
    expect((await ask()).ok, readFileSync(daemon.logFile, "utf8").slice(-2000)).toBe(true);

    const started = engineProcess();
    startDetached(context, daemon);
    await sleep(300);
    expect(engineProcess()).toBe(started);
    expect((await ask()).ok).toBe(true);
  }, 60_000);
});
