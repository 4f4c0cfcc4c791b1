// Removes what a run of the tests has left, once the run has ended: also when it was killed. Started by globalSetup,
// with a pipe as standard input that closes with the run.
//
//   node --import=tsx/esm test/support/reaper.ts PREFIX FOLDER
import { existsSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { hostFolder, TestEngine } from "./engine.ts";
import { reap } from "./run.ts";

const [prefix = "", folder = ""] = process.argv.slice(2);
if (!/^test-(bench)?[0-9a-f]{6}$/.test(prefix)) throw new Error(`${prefix} is no prefix of a test run`);

// Ctrl-C reaches the whole group of processes; this one has to stay.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
for await (const _ of process.stdin);

// Programs of the run may still be at work, and make what was just removed: until twice nothing was found.
for (let quiet = 0, round = 0; quiet < 2 && round < 20; round++) {
  if (existsSync(hostFolder(folder))) await TestEngine.of(prefix, folder)[Symbol.asyncDispose]();
  const reaped = await reap(prefix).catch((error: Error) => [error.message]);
  quiet = reaped.length === 0 ? quiet + 1 : 0;
  if (quiet < 2 && existsSync(folder)) await sleep(2000);
  else if (reaped.length === 0) break;
}
rmSync(folder, { recursive: true, force: true });
