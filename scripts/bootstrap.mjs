// First step of every npm script: makes sure that the npm packages of package-lock.json are installed,
// then hands over to a TypeScript entry point. Plain JavaScript without imports from node_modules, because on a
// fresh clone there are none yet.
//
//   node scripts/bootstrap.mjs ENTRY.ts [ARGUMENT ...]
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
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

installPackages();

const child = spawn(process.execPath, ["--import=tsx", join(root, entry), ...args], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  if (signal) process.exitCode = 128 + 15;
  else process.exitCode = code ?? 1;
});

/** Runs `npm ci` unless the stamp left by the last complete run names this very lock file and Node.js. */
function installPackages() {
  const lock = readFileSync(join(root, "package-lock.json"));
  const wanted = createHash("sha256").update(lock).update(process.versions.modules).digest("hex");
  const stamp = join(root, "node_modules", ".pg-continuity-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error("npm packages: installing what package-lock.json names …");
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (npm.status !== 0) {
    console.error('npm packages: "npm ci" failed. Check the registry (npm config get registry) and run this again.');
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}
