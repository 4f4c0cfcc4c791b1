import { z } from "zod";
import type { RotationChange } from "../../core/rotation.ts";
import { parseSettings, type Settings } from "../../core/settings.ts";
import { pulumi } from "../cli/pulumi.ts";

const configSchema = z.record(z.string(), z.object({ value: z.string().optional() }));

/** The settings as a stack's config has them now, applied or not. */
export async function readSettings(stack: string): Promise<Settings> {
  const entries = configSchema.parse(
    JSON.parse(await pulumi(["config", "--json", "--show-secrets"], { stack })),
  );
  const raw = Object.entries(entries).flatMap(([key, { value }]) =>
    value === undefined ? [] : [[key, value]],
  );
  return parseSettings(Object.fromEntries(raw));
}

/** Writes what a step makes of the generations into a stack's config; what else it holds stays. */
export async function writeGenerations(
  stack: string,
  changes: readonly Pick<RotationChange, "kind" | "generations">[],
): Promise<void> {
  const set = changes.flatMap(({ kind, generations }) =>
    generations.flatMap((value, index) => ["--plaintext", `credentials.${kind}[${index}]=${value}`]),
  );
  await pulumi(["config", "set-all", "--path", ...set], { stack });
  const { credentials } = await readSettings(stack);
  const left = changes.flatMap(({ kind, generations }) =>
    credentials[kind].length > generations.length ? [`credentials.${kind}[${generations.length}]`] : [],
  );
  if (left.length > 0) await pulumi(["config", "rm-all", "--path", ...left], { stack });
}
