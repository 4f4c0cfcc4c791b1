// First step of every npm script: makes sure that the npm packages of package-lock.json are installed, then hands over
// to a TypeScript entry point. Plain JavaScript without imports from node_modules, because on a fresh clone there are
// none yet.
//
//   node scripts/bootstrap.mjs ENTRY.ts [ARGUMENT ...]
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const self = fileURLToPath(import.meta.url);
const root = join(dirname(self), "..");
const installOnly = "--install-packages";
const [entry, ...args] = process.argv.slice(2);
if (!entry) {
  console.error("usage: node scripts/bootstrap.mjs ENTRY.ts [ARGUMENT ...]");
  process.exit(2);
}

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`node: version ${process.versions.node} is too old. Install Node.js 20.19 or newer.`);
  process.exit(2);
}

const stamp = join(root, "node_modules", ".pg-continuity-lock");
const wanted = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .update(process.versions.modules)
  .digest("hex");

if (entry === installOnly) {
  if (!isInstalled()) installPackages();
} else {
  if (!isInstalled()) installPackagesAlone();
  runEntry(entry, args);
}

/** Whether the stamp left by the last complete installation names this very lock file and Node.js. */
function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
}

/** Installs under a lock, where the system has flock: two of these at once would empty each other's node_modules. */
function installPackagesAlone() {
  mkdirSync(join(root, ".state"), { recursive: true, mode: 0o700 });
  const lock = [join(root, ".state", "npm.lock"), process.execPath, self, installOnly];
  const locked = spawnSync("flock", lock, { stdio: "inherit" });
  if (locked.error) installPackages();
  else if (locked.status !== 0) process.exit(locked.status ?? 1);
}

function installPackages() {
  console.error("npm packages: installing what package-lock.json names …");
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (npm.status !== 0) {
    console.error(
      'npm packages: "npm ci" failed. Check the registry (npm config get registry) and run this again.',
    );
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

function runEntry(file, entryArguments) {
  const launcher = join(root, "scripts", "launch", "run.mjs");
  const child = spawn(process.execPath, [launcher, file, ...entryArguments], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // Ctrl-C reaches the child from the terminal itself. A second one would mean "at once, without cleaning up".
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on("exit", (code, signal) => {
    process.exitCode = signal ? 128 + constants.signals[signal] : (code ?? 1);
  });
}
