import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { gatewayToken } from "../../core/gatewayToken.ts";
import { applicationSecrets } from "../../core/ownApplication.ts";
import { pulumi } from "../cli/pulumi.ts";
import { pulumiEnvironment } from "../setup/index.ts";

const stateSchema = z.object({
  deployment: z.object({
    resources: z
      .array(
        z.object({
          type: z.string(),
          urn: z.string(),
          outputs: z.looseObject({ output: z.unknown() }).partial().optional(),
        }),
      )
      .default([]),
  }),
});

const configSchema = z.record(
  z.string(),
  z.looseObject({ value: z.string().optional(), secret: z.boolean().optional() }),
);

/**
 * Every secret of a stack, whichever generation it is: what its state keeps, what is derived from that, what is secret
 * in its config, and the passphrase that encrypts all of them.
 *
 * @throws Error with what Pulumi said, as for a wrong passphrase
 */
export async function stackSecrets(stack: string): Promise<ReadonlySet<string>> {
  const [state, config] = await Promise.all([
    pulumi(["stack", "export", "--show-secrets"], { stack }),
    pulumi(["config", "--json", "--show-secrets"], { stack }),
  ]);
  const { resources } = stateSchema.parse(JSON.parse(state)).deployment;
  const kept = resources
    .filter(({ type }) => type === "pulumi:index:Stash")
    .map(({ urn, outputs }) => ({ name: urn.split("::").at(-1) ?? "", texts: textsIn(outputs?.output) }));
  const derived = kept.flatMap(({ name, texts: [text = ""] }) => {
    if (name.includes("-encryption-key")) return [gatewayToken(Buffer.from(text, "base64"))];
    if (!name.endsWith("-application-seed")) return [];
    const { password, secretKey } = applicationSecrets(text);
    return [password, secretKey];
  });
  const settings = Object.values(configSchema.parse(JSON.parse(config))).flatMap(({ value, secret }) =>
    secret === true && value !== undefined ? textsIn(parsed(value)) : [],
  );
  return new Set([...kept.flatMap(({ texts }) => texts), ...derived, ...settings, ...passphrases()]);
}

/** Every text in a value, but certificates, which are no secrets. Plain texts of secret outputs are JSON. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === "string") {
    if (/^[{["]/.test(value)) {
      const inner = parsed(value);
      if (inner !== value) return textsIn(inner);
    }
    return value.startsWith("-----BEGIN CERTIFICATE") ? [] : [value];
  }
  if (typeof value !== "object" || value === null) return [];
  if ("plaintext" in value) return textsIn(value.plaintext);
  return Object.values(value).flatMap(textsIn);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A text that only begins like JSON.
    return text;
  }
}

function passphrases(): readonly string[] {
  const environment: NodeJS.ProcessEnv = { ...process.env, ...pulumiEnvironment(process.env) };
  const file = environment.PULUMI_CONFIG_PASSPHRASE_FILE;
  return [
    environment.PULUMI_CONFIG_PASSPHRASE ?? "",
    file !== undefined && existsSync(file) ? readFileSync(file, "utf8").trim() : "",
  ];
}
