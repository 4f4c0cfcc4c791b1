import { Context } from "./context.ts";
import { messageOf } from "./errors.ts";
import type { Finding, Part, Report } from "./part.ts";

/** Seconds between two lines about the same part where the output is no terminal. */
const plainIntervalSeconds = 20;

/** What is used of a task of listr2. */
interface TaskView {
  output: string;
  skip(message: string): void;
}

/**
 * Provides every part that is not ready, each as soon as those before it are there: images beside the builds. Shows
 * them as they go, on a terminal or as plain lines to `say`. The first that fails stops the others and is thrown.
 *
 * @returns the names of the parts provided
 */
export async function provideParts(
  wanted: readonly Part[],
  findings: ReadonlyMap<string, Finding>,
  context: Context,
  say: (line: string) => void,
): Promise<string[]> {
  // Loaded here: a run that only looks does without it.
  const { Listr, PRESET_TIMER } = await import("listr2");
  const isTerminal = process.stdout.isTTY === true && process.stderr.isTTY === true;
  const failure = new AbortController();
  const stoppable = new Context({
    env: context.env,
    log: context.log,
    signal: AbortSignal.any([context.signal, failure.signal]),
  });
  const outcomes = new Map<string, Promise<boolean>>();
  const provided: string[] = [];
  let firstError: unknown;

  const provide = async (part: Part, task: TaskView): Promise<boolean> => {
    const missing: string[] = [];
    for (const name of part.after) if ((await outcomes.get(name)) === false) missing.push(name);
    if (failure.signal.aborted || missing.length > 0) {
      task.skip(`${part.name}: not tried`);
      return false;
    }
    try {
      stoppable.throwIfInterrupted();
      const started = performance.now();
      await part.provide(stoppable, isTerminal ? liveReport(task) : plainReport(part, say));
      provided.push(part.name);
      if (!isTerminal) say(`setup: ${part.name}: ready (${secondsSince(started)} s)`);
      return true;
    } catch (error) {
      const isStopped = failure.signal.aborted;
      firstError ??= error;
      failure.abort();
      context.log.write(`${part.name}: ${messageOf(error)}`);
      if (isStopped || context.signal.aborted) task.skip(`${part.name}: stopped`);
      else throw new Error(part.name);
      return false;
    }
  };

  const tasks = wanted
    .filter((part) => !findings.get(part.name)?.isReady)
    .map((part) => {
      const outcome = withResolvers<boolean>();
      outcomes.set(part.name, outcome.promise);
      return {
        title: part.name,
        task: async (_: unknown, task: TaskView) => {
          try {
            outcome.resolve(await provide(part, task));
          } finally {
            outcome.resolve(false);
          }
        },
      };
    });
  const options = { concurrent: true, exitOnError: false, registerSignalListeners: false } as const;
  const view = isTerminal
    ? new Listr(tasks, { ...options, renderer: "default", rendererOptions: { timer: PRESET_TIMER } })
    : new Listr(tasks, { ...options, renderer: "silent" });
  await view.run();

  context.throwIfInterrupted();
  if (firstError !== undefined) throw firstError;
  return provided;
}

function liveReport(task: TaskView): Report {
  return (activity) => {
    task.output = activity;
  };
}

function plainReport(part: Part, say: (line: string) => void): Report {
  const started = performance.now();
  let shown = Number.NEGATIVE_INFINITY;
  return (activity) => {
    const now = performance.now();
    if (now - shown < plainIntervalSeconds * 1000) return;
    shown = now;
    say(`setup: ${part.name}: ${activity} (${secondsSince(started)} s)`);
  };
}

function secondsSince(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(0);
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
