/** One thing that is wrong with what the user gave, and what to do about it. */
export interface Problem {
  /** Where: a config path such as `pg-continuity:ports.gateway`, or a part such as `docker`. */
  readonly path: string;
  /** What was found there, as it should be shown; left out where there is no value or it is a secret. */
  readonly value?: string;
  /** What is wrong, as half a sentence. */
  readonly reason: string;
  /** What the user can do now, as a whole sentence. */
  readonly remedy: string;
  /** It would be dangerous, not only wrong: the config may be right, but must not be applied now. */
  readonly isDangerous?: true;
}

/** What stands in every message about something that is refused because it would be dangerous. */
export const refusedMark = "REFUSED";

/** Whether a message says that something dangerous was refused. */
export function isRefusal(message: string): boolean {
  return message.includes(refusedMark);
}

/** All problems found at once. The message lists each with path, value, reason and remedy. */
export class ProblemsError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(renderProblems(problems));
    this.name = "ProblemsError";
    this.problems = problems;
  }
}

/** `path: "value" reason. remedy` for one problem; a count and a bulleted list for more. */
export function renderProblems(problems: readonly Problem[]): string {
  const lines = problems.map(({ path, value, reason, remedy, isDangerous }) => {
    const shown = value === undefined ? "" : `${value} `;
    return `${path}: ${isDangerous ? `${refusedMark}: ` : ""}${shown}${reason}. ${remedy}`;
  });
  if (lines.length === 1) return lines[0] ?? "";
  return [`${lines.length} problems, nothing was changed:`, ...lines.map((line) => `  - ${line}`)].join("\n");
}
