/** A part of setup that could not be provided: what went wrong and what a person can do about it. */
export class SetupError extends Error {
  override readonly name = "SetupError";
  readonly part: string;
  readonly problem: string;
  readonly remedy: string;
  /** File with the full output of what ran, where something ran. */
  readonly logFile: string | undefined;

  constructor(part: string, problem: string, remedy: string, logFile?: string) {
    super(`${part}: ${problem.replace(/[.?!]+$/, "")}. ${remedy}.${logFile ? `\nLog: ${logFile}` : ""}`);
    this.part = part;
    this.problem = problem;
    this.remedy = remedy;
    this.logFile = logFile;
  }
}

/** Setup was stopped by a signal. Running it again goes on where it was. */
export class SetupInterrupted extends Error {
  override readonly name = "SetupInterrupted";
  constructor() {
    super("setup: interrupted. Run it again, it goes on where it was.");
  }
}

/** The message of anything that was thrown, without a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error of the file system has one of these codes. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
