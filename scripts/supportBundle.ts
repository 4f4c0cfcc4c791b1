// Collects what helps to find out what is wrong: npm run support-bundle [-- --stack NAME] [--output FILE]
import { stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { bundleName, type CollectedPart, makeBundle } from "../core/supportBundle/archive.ts";
import { redactor } from "../core/supportBundle/redact.ts";
import { errorColours } from "./cli/colours.ts";
import { main, stackName } from "./cli/main.ts";
import { readStack } from "./cli/pulumi.ts";
import { bundleParts } from "./supportBundle/parts.ts";
import { stackSecrets } from "./supportBundle/secrets.ts";

const program = new Command("support-bundle")
  .description(
    "Collects status, logs, versions, configuration, history and statistics of a stack into one archive, without secrets. What cannot be reached becomes a file that says so.",
  )
  .option("--stack <name>", "the stack (default: dev)")
  .option("--output <file>", "the archive, or a folder for it (default: support-bundle-STACK-TIME.tar.gz)")
  .option("--lines <count>", "of each log at most the last so many lines", countOf, 5000)
  .addHelpText(
    "after",
    "\nExit codes: 0 the archive is written, 1 an error, 3 written, but something could not be collected.",
  );

interface Options {
  readonly stack?: string;
  readonly output?: string;
  readonly lines: number;
}

await main(async () => {
  const options = program.parse().opts<Options>();
  const of = stackName(options.stack);
  const at = new Date();
  const name = bundleName(of, at);
  const file = await outputFile(options.output, `${name}.tar.gz`);
  const stack = await readStack(of);
  const redact = redactor(await stackSecrets(stack));
  const parts: CollectedPart[] = [];
  const archive = await makeBundle(bundleParts(stack, options.lines), {
    name,
    redact,
    about: { stack: of, seenBy: "npm run support-bundle", at },
    progress: (part) => {
      parts.push(part);
      tell(part);
    },
  });
  await write(file, archive);
  const failed = parts.filter(({ problem }) => problem !== null).length;
  process.stderr.write(
    `${parts.length - failed} files collected${failed === 0 ? "" : `, ${failed} could not be`}; ${kibibytes(archive.length)}. Secrets are taken out; names, addresses and what people wrote into logs are in it.\n`,
  );
  process.stdout.write(`${file}\n`);
  return failed === 0 ? 0 : 3;
});
// A host that went silent may hold connections for a while after its part was given up.
setTimeout(() => process.exit(), 200).unref();

function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError("It is no whole number above 0.");
  return count;
}

async function outputFile(option: string | undefined, name: string): Promise<string> {
  const path = resolve(option ?? ".");
  try {
    if ((await stat(path)).isDirectory()) return join(path, name);
  } catch (error) {
    if (!isCode(error, "ENOENT")) throw new Error(`--output ${option}: ${(error as Error).message}`);
    return path;
  }
  throw new Error(`--output ${option}: this file exists already. Name another one, or a folder.`);
}

async function write(file: string, archive: Buffer): Promise<void> {
  try {
    await writeFile(file, archive, { mode: 0o600, flag: "wx" });
  } catch (error) {
    throw new Error(
      `${file} cannot be written: ${(error as Error).message}. Choose another place with --output.`,
    );
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function tell({ path, bytes, problem }: CollectedPart): void {
  const mark = problem === null ? errorColours.green("ok    ") : errorColours.red("failed");
  process.stderr.write(`${mark} ${path}: ${problem ?? kibibytes(bytes)}\n`);
}

function kibibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024)} KiB`;
}
