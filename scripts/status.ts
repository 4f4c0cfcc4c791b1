// What runs where, and whether that is as declared: npm run status [-- --json | --watch] [--stack NAME]
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { judge, type Status } from "../core/status.ts";
import { renderHistory, transitionHistory } from "./cli/history.ts";
import { main, stackName } from "./cli/main.ts";
import { type DeployedStack, readStack } from "./cli/pulumi.ts";
import { renderStatus } from "./cli/statusTable.ts";
import { observe } from "./observe/index.ts";

const program = new Command("status")
  .description(
    "Shows role, timeline, LSN, lag and slot of every database and the role of every server, expected beside observed.",
  )
  .option("--stack <name>", "the stack (default: dev)")
  .option("--json", "print JSON (docs/status.md) instead of tables")
  .option("--history", "show the transitions that were run, with their evidence (--json)")
  .option("--limit <count>", "how many transitions --history shows at most", Number, 20)
  .option("--watch", "observe again and again until interrupted")
  .option("--interval <seconds>", "seconds between observations with --watch", Number, 1)
  .addHelpText(
    "after",
    "\nExit codes: 0 everything is as declared, 1 an error, 3 something is not as declared.",
  );

await main(async () => {
  const options = program
    .parse()
    .opts<{ stack?: string; json?: true; watch?: true; history?: true; interval: number; limit: number }>();
  const stack = await readStack(stackName(options.stack));
  if (options.history) {
    const history = await transitionHistory(stack, options.limit);
    process.stdout.write(`${options.json ? JSON.stringify(history, null, 2) : renderHistory(history)}\n`);
    return 0;
  }
  let status = await observeOnce(stack);
  print(status, options);
  while (options.watch) {
    await sleep(options.interval * 1000);
    status = await observeOnce(stack);
    print(status, options);
  }
  return status.verdict === "ok" ? 0 : 3;
});

async function observeOnce(stack: DeployedStack): Promise<Status> {
  return judge(stack.topology, await observe(stack.topology, stack.access), stack.settings.credentials);
}

function print(status: Status, options: { readonly json?: true; readonly watch?: true }): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(status, null, options.watch ? 0 : 2)}\n`);
    return;
  }
  // On a terminal a watched status stays in place; elsewhere every observation is kept.
  if (options.watch && process.stdout.isTTY) process.stdout.write("\u001b[H\u001b[2J");
  process.stdout.write(`${renderStatus(status)}\n`);
}
