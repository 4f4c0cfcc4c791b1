// What a change of the stack's config or of the program would do to people and data, before it is applied.
//   npm run preview [-- --stack NAME] [--markdown | --json]
import { writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { renderMarkdown, renderReport } from "../core/preview/render.ts";
import type { ImpactReport } from "../core/preview/report.ts";
import { main, stackName } from "./cli/main.ts";
import { previewImpact } from "./preview/impact.ts";

const program = new Command("preview")
  .description("Shows what an up would do: what changes, what stops and for how long, what happens to data.")
  .option("--stack <name>", "the stack (default: dev)")
  .option("--config-file <file>", "the config to preview with, instead of the stack's own file")
  .addOption(new Option("--markdown", "print Markdown, for a comment on a pull request").conflicts("json"))
  .option("--json", "print JSON (docs/ci.md)")
  .option("--out <file>", "write to a file instead of standard output")
  .addHelpText(
    "after",
    "\nExit codes: 0 nothing to do, 1 no preview possible, 2 changes or drift, 3 refused because dangerous.",
  );

await main(async () => {
  const options = program
    .parse()
    .opts<{ stack?: string; configFile?: string; markdown?: true; json?: true; out?: string }>();
  const report = await previewImpact(stackName(options.stack), options.configFile);
  const text = options.json
    ? `${JSON.stringify(report, null, 2)}\n`
    : options.markdown
      ? renderMarkdown(report)
      : `${renderReport(report)}\n`;
  if (options.out) writeFileSync(options.out, text);
  else process.stdout.write(text);
  return exitCodeOf(report);
});

function exitCodeOf({ verdict, drift }: ImpactReport): number {
  if (verdict === "refused") return 3;
  if (verdict === "failed") return 1;
  return verdict === "changes" || drift.length > 0 ? 2 : 0;
}
