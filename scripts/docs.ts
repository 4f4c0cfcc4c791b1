// Writes what of the docs is generated: the table of settings in docs/configuration.md.
//   npm run docs [-- --check]
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { parse } from "yaml";
import { configNamespace, settingsSchema } from "../core/settings.ts";
import { type DeclaredKey, renderSettingsTable, withTable } from "../core/settingsTable.ts";
import { main } from "./cli/main.ts";
import { projectFolder } from "./setup/paths.ts";

const program = new Command("docs")
  .description("Writes the table of settings in docs/configuration.md.")
  .option("--check", "change nothing; exit code 1 when the page is not up to date");

await main(async () => {
  const options = program.parse().opts<{ check?: true }>();
  const file = join(projectFolder, "docs", "configuration.md");
  const page = readFileSync(file, "utf8");
  const declared: Record<string, DeclaredKey> = parse(
    readFileSync(join(projectFolder, "Pulumi.yaml"), "utf8"),
  ).config;
  const wanted = withTable(page, renderSettingsTable(declared, settingsSchema, configNamespace));
  if (page === wanted) return 0;
  if (options.check)
    throw new Error('docs/configuration.md: is not what Pulumi.yaml and the schema say. Run "npm run docs".');
  writeFileSync(file, wanted);
  process.stderr.write("docs/configuration.md is written\n");
  return 0;
});
