import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { secretsOfStack } from "../../core/supportBundle/stackSecrets.ts";
import { type DeployedStack, pulumi } from "../cli/pulumi.ts";
import { pulumiEnvironment } from "../setup/index.ts";
import { projectFolder } from "../setup/paths.ts";

/**
 * Every secret of a stack, and the passphrase that encrypts all of them.
 *
 * @throws Error with what Pulumi said, as for a wrong passphrase
 */
export async function stackSecrets({ name: stack, settings }: DeployedStack): Promise<ReadonlySet<string>> {
  const [state, config] = await Promise.all([
    pulumi(["stack", "export", "--show-secrets"], { stack }),
    pulumi(["config", "--json", "--show-secrets"], { stack }),
  ]);
  const marked = markedConfig(stack);
  return new Set([...secretsOfStack({ state, config, marked, applied: settings }), ...passphrases()]);
}

const fileSchema = z.looseObject({ config: z.record(z.string(), z.unknown()).default({}) });

/** The config as the stack's file has it, which says of each value whether it is a secret. */
function markedConfig(stack: string): Readonly<Record<string, unknown>> | undefined {
  const file = join(projectFolder, `Pulumi.${stack.split("/").at(-1)}.yaml`);
  return existsSync(file) ? fileSchema.parse(parse(readFileSync(file, "utf8"))).config : undefined;
}

function passphrases(): readonly string[] {
  const environment: NodeJS.ProcessEnv = { ...process.env, ...pulumiEnvironment(process.env) };
  const file = environment.PULUMI_CONFIG_PASSPHRASE_FILE;
  return [
    environment.PULUMI_CONFIG_PASSPHRASE ?? "",
    file !== undefined && existsSync(file) ? readFileSync(file, "utf8").trim() : "",
  ];
}
