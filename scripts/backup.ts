// Backups of a running deployment: npm run backup -- now | list [--stack NAME] [--json] (docs/backups.md)
import { Argument, Command } from "commander";
import { listOf, renderList } from "./backup/list.ts";
import { backUpNow } from "./backup/now.ts";
import { main, stackName } from "./cli/main.ts";
import { readStack } from "./cli/pulumi.ts";

interface Options {
  readonly stack?: string;
  readonly json?: true;
  readonly limit: number;
}

const program = new Command("backup")
  .description(
    "Makes a backup now and waits until it is made and verified, or lists what was asked for and what became of it (docs/backups.md).",
  )
  .addArgument(new Argument("<what>", "what to do").choices(["now", "list"]))
  .option("--stack <name>", "the stack (default: dev)")
  .option("--json", "print the result as JSON")
  .option("--limit <count>", "how many list shows at most", Number, 20)
  .addHelpText("after", "\nExit codes: 0 done, 1 an error, 3 the backup has failed.");

await main(async () => {
  const { stack: option, json, limit } = program.parse().opts<Options>();
  const [what] = program.args;
  const stack = await readStack(stackName(option));
  if (stack.topology.backup === null)
    throw new Error(
      `no backups are made of stack ${stack.name}. Turn them on: "pulumi config set --path 'backups.schedule' '0 2 * * *' && npm run up".`,
    );
  if (what === "list") {
    const backups = await listOf(stack, limit);
    process.stdout.write(json ? `${JSON.stringify(backups, null, 2)}\n` : renderList(backups));
    return 0;
  }
  const made = await backUpNow(stack, (text) => process.stderr.write(`${text}\n`));
  process.stdout.write(json ? `${JSON.stringify(made, null, 2)}\n` : renderList([made]));
  return made.state === "good" ? 0 : 3;
});
