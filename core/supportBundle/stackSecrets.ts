import { z } from "zod";
import { alertSecrets, type ReadonlyAlertSettings } from "../alerts/settings.ts";
import { gatewayToken } from "../gatewayToken.ts";
import { applicationSecrets } from "../ownApplication.ts";

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

/** Where a stack's secrets stand. */
export interface SecretSources {
  /** `pulumi stack export --show-secrets`. */
  readonly state: string;
  /** `pulumi config --json --show-secrets`: says of a whole object that it is a secret where one value in it is. */
  readonly config: string;
  /** The config of the stack's file, where each secret is `{ secure: … }`; undefined where it is not known. */
  readonly marked: Readonly<Record<string, unknown>> | undefined;
  /** As they were applied last: the config may have other secrets by now. */
  readonly applied: { readonly alerts: ReadonlyAlertSettings };
}

/** Every secret of a stack, whichever generation it is: what its state keeps, what is derived from that, what is secret in its config. Pure. */
export function secretsOfStack({ state, config, marked, applied }: SecretSources): readonly string[] {
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
  const settings = Object.entries(configSchema.parse(JSON.parse(config))).flatMap(
    ([key, { value, secret }]) =>
      secret === true && value !== undefined ? secretsIn(parsed(value), marked?.[key]) : [],
  );
  return [...kept.flatMap(({ texts }) => texts), ...derived, ...settings, ...alertSecrets(applied.alerts)];
}

/** What of a value is marked as a secret; all of it where nobody can tell. What stands beside a secret is found everywhere. */
function secretsIn(value: unknown, marked: unknown): readonly string[] {
  if (marked === undefined || isSecure(marked)) return textsIn(value);
  if (typeof value !== "object" || value === null || typeof marked !== "object" || marked === null) return [];
  const marks = marked as Readonly<Record<string, unknown>>;
  return Object.entries(value).flatMap(([key, inner]) => secretsIn(inner, marks[key]));
}

function isSecure(marked: unknown): boolean {
  return typeof marked === "object" && marked !== null && "secure" in marked;
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
