import { ProblemsError } from "../../core/problems.ts";

/**
 * Runs a command of the project: an error becomes one clear message on standard error and exit code 1; the stack
 * trace is shown with `DEBUG=1`.
 *
 * @param work returns the exit code
 */
export async function main(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${error instanceof ProblemsError ? "" : "error: "}${message}\n`);
    if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  }
}

/** The stack that a command works on: `--stack`, else `PULUMI_STACK`, else dev. */
export function stackName(option: string | undefined): string {
  return option ?? process.env.PULUMI_STACK ?? "dev";
}
