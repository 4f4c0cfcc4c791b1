import { execa } from "execa";
import { z } from "zod";
import type { Password } from "../../core/credentials.ts";
import { protectionText } from "../../core/preview/protection.ts";
import { type Settings, settingsSchema } from "../../core/settings.ts";
import { deriveTopology, type Topology } from "../../core/topology.ts";
import type { ObserverAccess } from "../observe/index.ts";
import { pulumiEnvironment } from "../setup/index.ts";

/** What the scripts need to know of a deployed stack; read from its outputs. */
export interface DeployedStack {
  readonly name: string;
  /** As they were applied last. */
  readonly settings: Settings;
  readonly topology: Topology;
  readonly access: ObserverAccess;
  readonly operatorPassword: Password;
  /** Of the role for logical subscribers. */
  readonly subscriberPassword: string;
  readonly adminToken: string;
  /** That, and another that is accepted beside it while it is replaced. */
  readonly adminTokens: readonly string[];
  readonly gatewayUrl: string;
}

/** All that the database may accept while a password is replaced. */
const passwordSchema = z.union([z.string(), z.array(z.string()).min(1)]);

const outputsSchema = z.object({
  caCertificate: z.string(),
  adminToken: z.string(),
  gatewayUrl: z.string(),
  access: z.object({
    settings: z.unknown(),
    /** Of the stack itself; not there in one that was applied before it could have another for clients. */
    authority: z.string().optional(),
    /** All that are accepted; as before. */
    adminTokens: z.array(z.string()).optional(),
    monitoring: passwordSchema,
    operator: passwordSchema,
    subscriber: z.string(),
  }),
});

export const projectName = "pg-continuity";

/**
 * Runs the Pulumi CLI in the project's folder and returns its standard output.
 *
 * @throws Error with what the CLI said, and the remedy where it is a known case
 */
export async function pulumi(
  args: readonly string[],
  options: { readonly stack?: string; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const environment = options.environment ?? process.env;
  const stack = options.stack === undefined ? [] : ["--stack", options.stack];
  const { failed, stdout, stderr } = await execa("pulumi", [...args, ...stack, "--non-interactive"], {
    env: { ...environment, ...pulumiEnvironment(environment) },
    extendEnv: false,
    reject: false,
  });
  if (failed) throw new Error(explain(`${stdout}\n${stderr}`));
  return stdout;
}

/**
 * Reads the outputs of a deployed stack.
 *
 * @throws Error when there is no such stack or it was never deployed
 */
export async function readStack(
  name: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<DeployedStack> {
  const text = await pulumi(["stack", "output", "--json", "--show-secrets"], { stack: name, environment });
  const parsed = outputsSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`stack ${name} is not deployed. Deploy it with "npm run up".`);
  const { caCertificate, adminToken, gatewayUrl, access } = parsed.data;
  const settings: Settings = settingsSchema.parse(access.settings);
  return {
    name,
    settings,
    topology: deriveTopology(projectName, name, settings),
    access: {
      caCertificate: access.authority ?? caCertificate,
      clientTrust: caCertificate,
      monitoringPassword: access.monitoring,
    },
    operatorPassword: access.operator,
    subscriberPassword: access.subscriber,
    adminToken,
    adminTokens: access.adminTokens ?? [adminToken],
    gatewayUrl,
  };
}

const eraSchema = z.object({
  deployment: z.object({
    resources: z.array(
      z.object({
        urn: z.string(),
        outputs: z
          .object({ stdout: z.string().optional(), environment: z.record(z.string(), z.string()) })
          .partial()
          .optional(),
      }),
    ),
  }),
});

/**
 * The present era of synchronous replication. From the state and not from the outputs: those are written only once an
 * `up` has come to its end, and one that failed may have switched it off.
 */
export async function readEra(name: string): Promise<{ readonly synchronousEra?: string }> {
  const { deployment } = eraSchema.parse(JSON.parse(await pulumi(["stack", "export"], { stack: name })));
  const found = deployment.resources.find(({ urn }) => urn.endsWith("::synchronous-replication-era"));
  const { stdout, environment } = found?.outputs ?? {};
  return stdout && environment?.SYNCHRONOUS === "true" ? { synchronousEra: stdout } : {};
}

/** What `readStack` gives; null where the stack was never deployed, or cannot be read for a reason that Pulumi itself will explain. */
export async function readDeployed(name: string): Promise<DeployedStack | null> {
  try {
    return await readStack(name);
  } catch (error) {
    if (error instanceof Error && /is not deployed|no such stack|passphrase/.test(error.message)) return null;
    throw error;
  }
}

const explanations: readonly [pattern: RegExp, explanation: string][] = [
  [
    /incorrect passphrase/,
    "the passphrase does not fit this stack's state. Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one it was made with (for the dev stack: the file .state/passphrase).",
  ],
  [
    /currently locked by (\d+) lock/,
    'another "pulumi" works on this stack, or one was killed. If none runs any more: pulumi cancel',
  ],
  [
    /no stack named '([^']+)' found/,
    'there is no such stack here. Deploy it with "npm run up -- --stack NAME".',
  ],
];

/** What the CLI said, with the remedy first where the case is known. */
export function explain(output: string): string {
  const text = output.trim();
  const refused = protectionText(text);
  if (refused !== undefined) return `${refused}\n\n${text}`;
  for (const [pattern, explanation] of explanations)
    if (pattern.test(text)) return `pulumi: ${explanation}\n\n${text}`;
  return text;
}
