import { z } from "zod";
import type { Generations, Rotatable } from "../../core/rotation.ts";
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

/** Writes generations into a stack's config; what else it holds stays. */
export async function writeGenerations(
  stack: string,
  kind: Rotatable,
  [used, other]: Generations,
): Promise<void> {
  const path = (index: number) => `credentials.${kind}[${index}]`;
  const values = [used, ...(other === undefined ? [] : [other])];
  const set = values.flatMap((value, index) => ["--plaintext", `${path(index)}=${value}`]);
  await pulumi(["config", "set-all", "--path", ...set], { stack });
  const { credentials } = await readSettings(stack);
  if (credentials[kind].length > values.length)
    await pulumi(["config", "rm", "--path", path(values.length)], { stack });
}
