/** The shell command that runs one of the project's scripts, relative to the project's folder. */
export function runScript(script: string): string {
  return `exec node scripts/launch/run.mjs scripts/${script}`;
}

/** For commands that must not run again because some input changed: keeps what the first run said. */
export const keepResult = 'printf "%s" "$PULUMI_COMMAND_STDOUT"';
