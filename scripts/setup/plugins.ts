import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "./context.ts";
import { SetupError } from "./errors.ts";
import { buildProgram, goPrograms, makeWorkFolder, sourceHash } from "./goBuild.ts";
import type { Part, Report } from "./part.ts";
import { isExecutable, pulumiHome } from "./paths.ts";
import { type PluginName, pins } from "./pins.ts";
import { pulumiCli } from "./pulumiCli.ts";

/** File beside a plugin that setup has built: the hash of its sources. The official plugins have none. */
const stampName = "pg-continuity-build";

/** A resource plugin in Pulumi's own plugin cache. */
export function plugin(name: PluginName): Part {
  const version = pins.plugins[name];
  const program = `pulumi-resource-${name}` as const;
  return {
    name: `${name} plugin`,
    wanted: version,
    after: [pulumiCli.name],
    async probe(context) {
      const where = join(pulumiHome(context.env), "plugins", `resource-${name}-v${version}`);
      const remedy = 'run "npm run setup"';
      // Pulumi leaves the file .partial beside a folder that it has not finished.
      if (!isExecutable(join(where, program)) || existsSync(`${where}.partial`))
        return { isReady: false, remedy };
      const stamp = join(where, stampName);
      if (!existsSync(stamp)) return { isReady: true, found: version, where };
      const isCurrent = readFileSync(stamp, "utf8") === sourceHash(goPrograms[program]);
      return isCurrent
        ? { isReady: true, found: `${version} (built here)`, where }
        : { isReady: false, found: `${version}, built from other sources`, where, remedy };
    },
    async provide(context, report) {
      const pulumi = (await pulumiCli.probe(context)).where;
      if (!pulumi)
        throw new SetupError(this.name, "there is no Pulumi CLI to install it with", 'Run "npm run setup"');
      if (await installOfficial(context, report, pulumi, name, version)) return;
      await installBuilt(context, report, pulumi, name, version);
    },
  };
}

async function installOfficial(
  context: Context,
  report: Report,
  pulumi: string,
  name: PluginName,
  version: string,
) {
  if (!(await context.hasInternet())) return false;
  report(`downloading the ${name} plugin ${version}`);
  const result = await context.run(pulumi, ["plugin", "install", "resource", name, version, "--reinstall"], {
    timeoutSeconds: 180,
  });
  return result.ok;
}

async function installBuilt(
  context: Context,
  report: Report,
  pulumi: string,
  name: PluginName,
  version: string,
) {
  const program = `pulumi-resource-${name}` as const;
  const work = makeWorkFolder(join(pulumiHome(context.env), `build-${name}`));
  try {
    await buildProgram(context, report, `${name} plugin`, goPrograms[program], join(work, program));
    writeFileSync(join(work, stampName), sourceHash(goPrograms[program]));
    report(`installing the ${name} plugin ${version}`);
    const args = ["plugin", "install", "resource", name, version, "-f", work, "--reinstall"];
    const result = await context.run(pulumi, args, { timeoutSeconds: 60 });
    if (!result.ok) {
      throw new SetupError(
        `${name} plugin`,
        `"pulumi ${args.join(" ")}" failed: ${result.failure}`,
        "See the log",
      );
    }
  } finally {
    rmSync(join(work, ".."), { recursive: true, force: true });
  }
}
