// `pulumi refresh`, refused while an engine does not answer: Pulumi would take everything on it out of the state.
//   npm run refresh [-- --preview-only] [--stack NAME]
import { Command } from "commander";
import { main, stackName } from "./cli/main.ts";
import { pulumi, readStack } from "./cli/pulumi.ts";
import { silentHosts } from "./heal/silentHosts.ts";

const program = new Command("refresh")
  .description(
    "Brings Pulumi's state to what the Docker engines have. Refused while one of them does not answer.",
  )
  .option("--stack <name>", "the stack (default: dev)")
  .option("--preview-only", "only show what it would change")
  .addHelpText("after", "\nExit codes: 0 done, 1 an error, 3 refused because an engine does not answer.");

await main(async () => {
  const options = program.parse().opts<{ stack?: string; previewOnly?: true }>();
  const name = stackName(options.stack);
  const silent = await silentHosts((await readStack(name)).topology);
  for (const { host, reason } of silent)
    process.stderr.write(
      `refresh: REFUSED: host ${host.name} (${host.docker}) does not answer: ${reason}. Pulumi would forget every container on it, and the next up would fail. Make it reachable first; "npm run status" and "npm run up" need no refresh.\n`,
    );
  if (silent.length > 0) return 3;
  const how = options.previewOnly ? ["--preview-only"] : ["--yes", "--skip-preview"];
  process.stdout.write(await pulumi(["refresh", ...how], { stack: name }));
  return 0;
});
