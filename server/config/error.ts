/** What the operator has to correct before the server can run. Carries no secret. */
export class ConfigurationError extends Error {
  readonly issues: readonly string[];

  constructor(path: string, issues: readonly string[]) {
    super(
      issues.length === 1
        ? `${path}: ${issues[0]}`
        : `${path}: ${issues.length} entries are wrong:\n${issues.map((issue) => `  - ${issue}`).join("\n")}`,
    );
    this.name = "ConfigurationError";
    this.issues = issues;
  }
}
