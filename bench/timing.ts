import { execa } from "execa";
import { projectFolder } from "../scripts/setup/paths.ts";
import type { OwnStack } from "../test/support/ownStack.ts";
import type { Part } from "./suite.ts";

/** One run of a program: how long it took, and where its time went. */
export interface Timing {
  readonly seconds: number;
  readonly parts: readonly Part[];
}

/** The moments that can be told from what `npm run up` and `pulumi` print, in their order. */
const moments: readonly [name: string, end: RegExp][] = [
  ["set-up, the CLI", /^(Updating|Previewing update) \(/],
  ["the program's start", /deployment creating|Deployment\b.*deployment|deployment\s*$/],
  ["applying", /^Duration:/],
];

/**
 * Runs a program on a stack and times it.
 *
 * @param rest name of the part after the last moment that was seen
 * @throws when it fails, with what it said
 */
export async function time(
  stack: OwnStack,
  command: string,
  args: readonly string[],
  rest: string,
): Promise<Timing> {
  const started = performance.now();
  const program = execa(command, args, {
    cwd: projectFolder,
    env: stack.environment,
    extendEnv: false,
    reject: false,
    all: true,
    stdin: "ignore",
  });
  const seen: { name: string; at: number }[] = [];
  for await (const line of program.iterable({ from: "all" })) {
    const index = moments.findIndex(
      ([name, end]) => end.test(line) && !seen.some((part) => part.name === name),
    );
    const moment = moments[index];
    if (moment) seen.push({ name: moment[0], at: performance.now() });
  }
  const { exitCode, all } = await program;
  const ended = performance.now();
  if (exitCode !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${exitCode}:\n${all}`);
  let before = started;
  const parts = [...seen, { name: rest, at: ended }].map(({ name, at }) => {
    const part = { name, seconds: (at - before) / 1000 };
    before = at;
    return part;
  });
  return { seconds: (ended - started) / 1000, parts };
}

/** `npm run up` without npm itself: what it starts. */
export function timeUp(stack: OwnStack): Promise<Timing> {
  const args = ["scripts/bootstrap.mjs", "scripts/up.ts", "--stack", stack.stack, "--json"];
  return time(stack, process.execPath, args, "proving that it works");
}

export function timePulumi(stack: OwnStack, args: readonly string[]): Promise<Timing> {
  return time(stack, "pulumi", [...args, "--non-interactive", "--stack", stack.stack], "the CLI's end");
}

/** Does something several times in a row and returns every timing. */
export async function repeat(
  runs: number,
  work: (run: number) => Promise<Timing>,
): Promise<readonly Timing[]> {
  const timings: Timing[] = [];
  for (let run = 1; run <= runs; run++) timings.push(await work(run));
  return timings;
}

/** The parts of the run that took the median time. */
export function medianParts(timings: readonly Timing[]): readonly Part[] {
  const sorted = [...timings].sort((a, b) => a.seconds - b.seconds);
  return sorted[Math.ceil(sorted.length / 2) - 1]?.parts ?? [];
}
