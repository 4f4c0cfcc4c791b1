import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { keyFingerprint } from "../core/keyFingerprint.ts";
import type { Settings } from "../core/settings.ts";
import type { Topology } from "../core/topology.ts";
import type { CredentialStore } from "./credentialStore.ts";
import { runScript } from "./script.ts";

/**
 * Runs before a credential of another generation is made, and refuses an order of generations that would lock somebody
 * out: one that would be used before every node accepts it, or one that is still in use.
 */
export function checkCredentialOrder(settings: Settings, parent: pulumi.Resource): command.local.Command {
  return new command.local.Command(
    "check-credentials",
    {
      create: runScript("node/checkCredentials.ts"),
      environment: { GENERATIONS: JSON.stringify(settings.credentials) },
      logging: "stderr",
    },
    { parent },
  );
}

/** What the keys of the vault are checked with. */
export interface KeyCheckArgs {
  readonly topology: Topology;
  readonly credentials: CredentialStore;
}

/** Runs before any node is configured with other keys, and refuses to drop one that something is encrypted with. */
export function checkKeys(
  { topology, credentials }: KeyCheckArgs,
  parent: pulumi.Resource,
): command.local.Command {
  const keys = credentials.all.apply(({ encryptionKeys }) =>
    encryptionKeys.map((key) => keyFingerprint(Buffer.from(key, "base64"))).join(" "),
  );
  return new command.local.Command(
    "check-keys",
    {
      create: runScript("node/checkKeys.ts"),
      environment: {
        KEYS: pulumi.unsecret(keys),
        DATABASES: JSON.stringify(
          topology.databases.map(({ node, containerName, host }) => ({
            node,
            docker: host.docker,
            container: containerName,
          })),
        ),
      },
      logging: "stderr",
    },
    { parent, customTimeouts: { create: "2m", update: "2m" } },
  );
}
