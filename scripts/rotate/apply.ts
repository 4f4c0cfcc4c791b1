import { execa } from "execa";
import type { Rotatable } from "../../core/rotation.ts";
import { readStack } from "../cli/pulumi.ts";
import { projectFolder } from "../setup/paths.ts";
import { verifyDeployment } from "../verifyDeployment.ts";
import { whatIsWrong } from "./reasons.ts";

/**
 * Applies one step of a rotation as `npm run up` does, proof included; all that it says goes to standard error.
 *
 * @param options.force go on where the stack is not as declared afterwards
 * @throws Error when it was not applied, or is not as declared afterwards
 */
export async function applyStack(
  stack: string,
  kinds: readonly Rotatable[],
  { force }: { readonly force: boolean },
): Promise<void> {
  const { exitCode } = await execa(
    process.execPath,
    ["scripts/launch/run.mjs", "scripts/up.ts", "--stack", stack, "--json"],
    // Its last word is the status as JSON, which nobody asked for here.
    { cwd: projectFolder, reject: false, stdin: "ignore", stdout: "ignore", stderr: "inherit" },
  );
  if (exitCode === 0 || (exitCode === 3 && (force || (await isWell(stack, kinds))))) return;
  throw new Error(
    exitCode === 3
      ? 'the step is applied, but something is not as declared ("npm run status"). Nothing that is in use is refused; once it is set right, the same command goes on.'
      : "the step was not applied, see above. Nothing that is in use is refused; the same command goes on where it was.",
  );
}

/** Whether nothing is wrong but what the rotation itself sets right in a later step. */
async function isWell(stack: string, kinds: readonly Rotatable[]): Promise<boolean> {
  const deployed = await readStack(stack);
  const [wrong, checks] = await Promise.all([whatIsWrong(kinds, deployed), verifyDeployment(deployed)]);
  return wrong.length === 0 && checks.every(({ ok }) => ok);
}
