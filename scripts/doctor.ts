import { existsSync } from "node:fs";
import { join } from "node:path";
import Table from "cli-table3";
import { Command } from "commander";
import { colours } from "./cli/colours.ts";
import { Context } from "./setup/context.ts";
import { type Finding, probeAll } from "./setup/index.ts";
import { Log } from "./setup/log.ts";
import { parts } from "./setup/parts.ts";
import { findOnPath, logFolder, projectFolder } from "./setup/paths.ts";
import { pins } from "./setup/pins.ts";
import { findVersion, isAtLeast } from "./setup/versions.ts";

/** One line of the table; the same fields are printed by --json. */
interface Row {
  readonly part: string;
  readonly wanted: string;
  readonly found: string | null;
  readonly where: string | null;
  readonly isReady: boolean;
  readonly remedy: string | null;
}

const options = new Command("npm run doctor --")
  .description("Shows each part that the project needs on this machine. Changes nothing.")
  .option("--json", "print JSON")
  .parse()
  .opts<{ json?: boolean }>();

// The log is never opened, so what the parts write to it goes nowhere.
const context = new Context({
  env: process.env,
  log: new Log(logFolder, "doctor"),
  signal: new AbortController().signal,
});
const findings = await probeAll(parts, context);
const isPulumiReady = findings.get("pulumi cli")?.isReady === true;
const rows: Row[] = [
  toRow("node", "≥ 20.19", { isReady: true, found: process.versions.node, where: process.execPath }),
  toRow("npm packages", "package-lock.json", npmPackages()),
  ...parts.map((part) => toRow(part.name, part.wanted, findings.get(part.name) ?? { isReady: false })),
  toRow("go", `≥ ${pins.go}, to build pulumi`, await go()),
];
const isHealthy = rows.every((row) => row.isReady);

if (options.json) console.log(JSON.stringify({ isReady: isHealthy, parts: rows }, undefined, 2));
else printTable();
process.exitCode = isHealthy ? 0 : 1;

function toRow(part: string, wanted: string, finding: Finding): Row {
  return {
    part,
    wanted,
    found: finding.found ?? null,
    where: finding.where ?? null,
    isReady: finding.isReady,
    remedy: (finding.isReady ? finding.hint : finding.remedy) ?? null,
  };
}

function npmPackages(): Finding {
  const where = join(projectFolder, "node_modules");
  return existsSync(join(where, ".pg-continuity-lock"))
    ? { isReady: true, found: "installed", where }
    : { isReady: false, where, remedy: 'run "npm run setup"' };
}

/** Go is needed only where Pulumi has to be built. */
async function go(): Promise<Finding> {
  const [where] = findOnPath("go");
  if (!where)
    return { isReady: isPulumiReady, remedy: "install Go, or Pulumi", found: "none, and not needed" };
  const found =
    findVersion((await context.run(where, ["version"])).stdout.replace("go version go", "")) ?? "unknown";
  return {
    isReady: isPulumiReady || isAtLeast(found, pins.go),
    found,
    where,
    remedy: "install a newer Go, or Pulumi",
  };
}

function printTable(): void {
  const { green, red, dim } = colours;
  const table = new Table({
    head: ["part", "wanted", "found", "where", ""],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    const verdict = row.isReady ? green("ok") : red(row.remedy ?? "missing");
    table.push([row.part, row.wanted, row.found ?? "-", dim(row.where ?? ""), verdict]);
  }
  console.log(table.toString());
  for (const row of rows) if (row.isReady && row.remedy) console.log(`${row.part}: ${row.remedy}`);
  console.log(
    isHealthy ? "all parts are ready" : 'some parts are not ready: "npm run setup" provides what it can',
  );
}
