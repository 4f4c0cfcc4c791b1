import { homedir } from "node:os";
import { join } from "node:path";
import { Context } from "./context.ts";
import { pulumiEnvironment, usePulumi } from "./environment.ts";
import { messageOf, SetupError } from "./errors.ts";
import { acquireLock } from "./lock.ts";
import { Log } from "./log.ts";
import type { Finding, Part } from "./part.ts";
import { parts as allParts } from "./parts.ts";
import { logFolder, projectFolder, stateFolder } from "./paths.ts";
import { provideParts } from "./provide.ts";
import { pulumiCli } from "./pulumiCli.ts";

export { pulumiEnvironment } from "./environment.ts";
export { SetupError, SetupInterrupted } from "./errors.ts";
export type { Finding, Part } from "./part.ts";
export { projectFolder, stateFolder };

const userLockFile = join(homedir(), ".pulumi", ".pg-continuity-setup.lock");

/** How setup is called. */
export interface SetupOptions {
  /** @default process.env */
  readonly environment?: NodeJS.ProcessEnv;
  /** Ends setup early; SIGINT and SIGTERM do it too while it runs. */
  readonly signal?: AbortSignal;
  /** Gets lines to show: what is waited for, the name of the log. @default standard error */
  readonly say?: (line: string) => void;
  /** @default everything that the project needs */
  readonly parts?: readonly Part[];
  /** Folder of the log. @default .state/logs */
  readonly logFolder?: string;
  /** File that one setup at a time locks. @default one for all projects of this user: they share the CLI */
  readonly lockFile?: string;
}

/** What setup has found or provided. */
export interface SetupResult {
  /** Path of the Pulumi CLI. */
  readonly pulumi: string;
  /** PATH on which that CLI comes first. */
  readonly path: string;
  /** What child processes need beside the present environment; see `pulumiEnvironment`. */
  readonly environment: Record<string, string>;
  /** Every part as it is now. */
  readonly findings: ReadonlyMap<string, Finding>;
  /** Names of the parts that this run has provided. */
  readonly provided: readonly string[];
  /** Things that are left to the person, a line each. */
  readonly hints: readonly string[];
  readonly elapsedSeconds: number;
  /** Log with the full output, when something had to be provided. */
  readonly logFile?: string;
}

/**
 * Finds or provides all that the project needs on this machine. When all is there this only looks, in well under a
 * second. Can be interrupted anywhere and called again.
 *
 * @throws SetupError naming the part, what went wrong and what to do; SetupInterrupted after a signal
 */
export async function setup(options: SetupOptions = {}): Promise<SetupResult> {
  const started = performance.now();
  const say = options.say ?? ((line) => console.error(line));
  const environment = options.environment ?? process.env;
  const wanted = options.parts ?? allParts;
  const interruption = listenForSignals(options.signal);
  const log = new Log(options.logFolder ?? logFolder, "setup");
  const context = new Context({ env: environment, log, signal: interruption.signal });
  try {
    let findings = await probeAll(wanted, context);
    let provided: readonly string[] = [];
    if (!isAllReady(findings)) {
      provided = await provideMissing(wanted, context, say, options.lockFile ?? userLockFile);
      findings = await probeAll(wanted, context);
      requireReady(wanted, findings);
    }
    const pulumi = findings.get(pulumiCli.name)?.where;
    if (pulumi) usePulumi(pulumi);
    const children = pulumiEnvironment(environment);
    return {
      pulumi: pulumi ?? "pulumi",
      path: children.PATH ?? "",
      environment: children,
      findings,
      provided,
      hints: [...findings.values()].flatMap((finding) => finding.hint ?? []),
      elapsedSeconds: (performance.now() - started) / 1000,
      ...(provided.length > 0 ? { logFile: log.file } : {}),
    };
  } catch (error) {
    if (!(error instanceof SetupError) || error.logFile) throw error;
    throw new SetupError(error.part, error.problem, error.remedy, openLog(log));
  } finally {
    interruption.stop();
    log.close();
  }
}

/** Looks at every part at once, changing nothing. */
export async function probeAll(wanted: readonly Part[], context: Context): Promise<Map<string, Finding>> {
  const findings = await Promise.all(wanted.map((part) => part.probe(context)));
  return new Map(wanted.map((part, index) => [part.name, findings[index] ?? { isReady: false }]));
}

async function provideMissing(
  wanted: readonly Part[],
  context: Context,
  say: (line: string) => void,
  lockFile: string,
): Promise<string[]> {
  say(`setup: full output in ${openLog(context.log)}`);
  const release = await acquireLock(context, lockFile, () =>
    say("setup: another one is at work, waiting for it …"),
  );
  try {
    // Looked at again: whoever held the lock before may have provided it.
    return await provideParts(wanted, await probeAll(wanted, context), context, say);
  } finally {
    release();
  }
}

function openLog(log: Log): string {
  try {
    return log.open();
  } catch (error) {
    const problem = `${log.file} cannot be written (${messageOf(error)})`;
    throw new SetupError("log", problem, "Give this user the rights to the project's folder", log.file);
  }
}

function isAllReady(findings: ReadonlyMap<string, Finding>): boolean {
  return [...findings.values()].every((finding) => finding.isReady);
}

function requireReady(wanted: readonly Part[], findings: ReadonlyMap<string, Finding>): void {
  for (const part of wanted) {
    const finding = findings.get(part.name);
    if (finding?.isReady) continue;
    const found = finding?.found ? `found ${finding.found}` : "it is still not there";
    throw new SetupError(part.name, `${found} after it was provided, wanted ${part.wanted}`, "See the log");
  }
}

function listenForSignals(outer: AbortSignal | undefined): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, abort);
  return {
    signal: outer ? AbortSignal.any([outer, controller.signal]) : controller.signal,
    stop: () => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, abort);
    },
  };
}
