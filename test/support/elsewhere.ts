import { execa } from "execa";
import { projectFolder } from "../../scripts/setup/paths.ts";
import type { OwnStack, ScriptResult } from "./ownStack.ts";
import { localEngine } from "./run.ts";

/**
 * Runs `pulumi` on a stack as from another machine, that has its state and reaches nothing of it: in a network of its own,
 * and with nothing where the engine's socket is. Needs root.
 */
export async function elsewhere(stack: OwnStack, args: readonly string[]): Promise<ScriptResult> {
  const hidden = 'ip link set lo up && mount --bind /dev/null "$1" && shift && exec pulumi "$@"';
  const all = [...args, "--non-interactive", "--stack", stack.stack];
  const result = await execa(
    "unshare",
    ["--net", "--mount", "sh", "-ec", hidden, "sh", new URL(localEngine).pathname, ...all],
    {
      cwd: projectFolder,
      env: stack.environment,
      extendEnv: false,
      reject: false,
      all: true,
      stdin: "ignore",
    },
  );
  return { exitCode: result.exitCode, stdout: result.stdout, all: result.all };
}
