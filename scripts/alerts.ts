// Tries whether alerts arrive: npm run alerts -- test [--server NAME] [--stack NAME] [--json]
import { Argument, Command, Option } from "commander";
import { serverNames } from "../core/vocabulary.ts";
import { renderTest, sendTest } from "./alerts/sendTest.ts";
import { main, stackName } from "./cli/main.ts";
import { readStack } from "./cli/pulumi.ts";

interface Options {
  readonly stack?: string;
  readonly server?: (typeof serverNames)[number];
  readonly json?: true;
}

const program = new Command("alerts")
  .description(
    "Has a server of a running deployment send a test notice on every channel that is configured, and shows what became of it (docs/alerts.md).",
  )
  .addArgument(new Argument("<what>", "what to do").choices(["test"]))
  .option("--stack <name>", "the stack (default: dev)")
  .addOption(
    new Option("--server <name>", "the server that sends (default: the first that answers)").choices(
      serverNames,
    ),
  )
  .option("--json", "print what became of it as JSON")
  .addHelpText(
    "after",
    "\nExit codes: 0 every receiver has taken it, 1 an error, nothing was sent, 3 a channel has failed.",
  );

await main(async () => {
  const { stack: option, server, json } = program.parse().opts<Options>();
  const stack = await readStack(stackName(option));
  const servers = stack.topology.servers.filter(({ name }) => server === undefined || name === server);
  if (servers.length === 0)
    throw new Error(
      `--server ${server}: the model ${stack.topology.model} has no such server. Name one of ${stack.topology.servers.map(({ name }) => name).join(", ")}.`,
    );
  const { caCertificate } = stack.access;
  const report = await sendTest(servers, { caCertificate, adminToken: stack.adminToken });
  const text = `${JSON.stringify({ stack: stack.name, ...report }, null, 2)}\n`;
  process.stdout.write(json ? text : renderTest(report, stack.name));
  return report.channels.every(({ problem }) => problem === null) ? 0 : 3;
});
