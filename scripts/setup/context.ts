import { type Result as ExecaResult, execa } from "execa";
import { messageOf, SetupInterrupted } from "./errors.ts";
import type { Log } from "./log.ts";

/** How a program is run. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string | undefined>;
  /** Ends the program after this time. */
  readonly timeoutSeconds?: number;
  /** Ends the program when it has printed nothing for this long after its start. */
  readonly firstOutputSeconds?: number;
  /** Gets every line of output as it comes. */
  readonly onLine?: (line: string) => void;
}

/** What a program did. A program that could not be started has no exit code. */
export interface RunResult {
  readonly ok: boolean;
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** One line that says how it failed: the last line it printed, or why it could not run. */
  readonly failure: string;
}

/** What the parts of setup work with: the environment, the log, and a way to run programs that can be interrupted. */
export class Context {
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly signal: AbortSignal;
  #internet: Promise<boolean> | undefined;

  constructor(options: { env: NodeJS.ProcessEnv; log: Log; signal: AbortSignal }) {
    this.env = options.env;
    this.log = options.log;
    this.signal = options.signal;
  }

  /** Runs a program to its end. Never throws for what the program does, only when setup is interrupted. */
  async run(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    this.throwIfInterrupted();
    this.log.write(`$ ${[file, ...args].join(" ")}`);
    const silence = new AbortController();
    const timer =
      options.firstOutputSeconds && setTimeout(() => silence.abort(), options.firstOutputSeconds * 1000);
    let lastLine = "";
    const listen = function* (line: unknown) {
      if (timer) clearTimeout(timer);
      const text = String(line);
      log.write(text);
      if (text.trim() !== "") lastLine = text.trim();
      options.onLine?.(text);
      yield line;
    };
    const { log } = this;
    const result = await execa(file, args, {
      cwd: options.cwd,
      env: { ...this.env, ...options.env },
      extendEnv: false,
      stdin: "ignore",
      stdout: listen,
      stderr: listen,
      reject: false,
      timeout: (options.timeoutSeconds ?? 0) * 1000,
      cancelSignal: AbortSignal.any([this.signal, silence.signal]),
      forceKillAfterDelay: 5_000,
    });
    if (timer) clearTimeout(timer);
    this.throwIfInterrupted();
    return {
      ok: !result.failed,
      exitCode: result.exitCode,
      stdout: result.stdout,
      stderr: result.stderr,
      failure: result.failed ? describeFailure(result, lastLine, options) : "",
    };
  }

  /** Whether Pulumi's official host can be reached: asked once, every part uses the answer. */
  hasInternet(): Promise<boolean> {
    this.#internet ??= this.#askOfficialHost();
    return this.#internet;
  }

  throwIfInterrupted(): void {
    if (this.signal.aborted) throw new SetupInterrupted();
  }

  async #askOfficialHost(): Promise<boolean> {
    const url = "https://get.pulumi.com/";
    try {
      const response = await fetch(url, {
        method: "HEAD",
        signal: AbortSignal.any([this.signal, AbortSignal.timeout(5_000)]),
      });
      this.log.write(`${url} answers ${response.status}`);
      return response.status < 500;
    } catch (error) {
      this.throwIfInterrupted();
      const cause = error instanceof Error && error.cause ? messageOf(error.cause) : messageOf(error);
      this.log.write(`${url} cannot be reached: ${cause}`);
      return false;
    }
  }
}

function describeFailure(result: ExecaResult, lastLine: string, options: RunOptions): string {
  if (result.timedOut) return `no end after ${options.timeoutSeconds} s`;
  if (result.isCanceled) return `no answer within ${options.firstOutputSeconds} s`;
  if (result.exitCode === undefined)
    return result.originalMessage ?? `ended by ${result.signal ?? "a signal"}`;
  return lastLine || `exit code ${result.exitCode}`;
}
