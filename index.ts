import "./components/stackTraces.ts";
import * as pulumi from "@pulumi/pulumi";
import { Deployment, urlOf } from "./components/deployment.ts";
import { isKnownStack } from "./components/knownStack.ts";
import { trustOf } from "./core/ownCertificate.ts";
import { ProblemsError } from "./core/problems.ts";
import { parseSettings, type Settings, withoutSecrets } from "./core/settings.ts";
import { deriveTopology } from "./core/topology.ts";
import { preflight } from "./scripts/preflight.ts";
import { readReplacementOrder } from "./scripts/replacementOrder.ts";

/** The SDK has it, and leaves it out of its types. */
const { isConfigSecret } = pulumi.runtime as unknown as {
  readonly isConfigSecret: (fullKey: string) => boolean;
};
const settings = readSettings();
const topology = deriveTopology(pulumi.getProject(), pulumi.getStack(), settings);
const [warnings, order] = await Promise.all([checkHosts(), readReplacementOrder(topology)]);
for (const warning of warnings) await pulumi.log.warn(warning);
const { credentials } = new Deployment("deployment", { topology, settings, order });

/** Which servers and databases there are. */
export const model = topology.model;
/** The one entry point. */
export const gatewayUrl = urlOf(topology.gateway);
/** Each server by its name, beside the gateway. */
export const serverUrls = Object.fromEntries(topology.servers.map((server) => [server.name, urlOf(server)]));
/** Each database by its name: where it is published. */
export const databases = Object.fromEntries(
  topology.databases.map(({ name, published }) => [name, { host: published.address, port: published.port }]),
);
/**
 * PEM: whom clients have to trust. The authority of the stack, which signs the certificates of all nodes (two while it is
 * replaced), then that of the gateway's certificate where it is one's own.
 */
export const caCertificate = pulumi.unsecret(
  credentials.all.apply(({ caCertificate }) => `${caCertificate}${trustOf(settings)}`),
);
/** Bearer token of the administrator. */
export const adminToken = credentials.all.apply(({ adminTokens }) => adminTokens[0]);
/** For the project's own scripts: what the topology was derived from, and the passwords of their duties. */
export const access = pulumi.secret(
  credentials.all.apply(({ caCertificate, passwords, adminTokens }) => ({
    settings: withoutSecrets(settings),
    authority: caCertificate,
    adminTokens,
    monitoring: passwords.monitoring,
    operator: passwords.operator,
    subscriber: passwords.subscriber[0],
  })),
);

/** Engines, ports, disk: what is in the way is said before the first resource is registered. */
async function checkHosts(): Promise<readonly string[]> {
  try {
    return await preflight(topology, settings, {
      isPreview: pulumi.runtime.isDryRun(),
      isKnown: isKnownStack(),
    });
  } catch (error) {
    throw plainly(error);
  }
}

/** All that is wrong with the config is said at once. */
function readSettings(): Settings {
  try {
    return parseSettings(pulumi.runtime.allConfig(), { isSecret: isConfigSecret });
  } catch (error) {
    throw plainly(error);
  }
}

/** Problems as a message without a stack trace: nobody needs one, and to look one up in source maps takes Pulumi 20 s. */
function plainly(error: unknown): unknown {
  if (!(error instanceof ProblemsError)) return error;
  const plain = new pulumi.RunError(error.message);
  plain.stack = "";
  return plain;
}
