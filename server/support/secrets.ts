import { alertSecrets } from "../../core/alerts/settings.ts";
import type { Configuration } from "../config/load.ts";
import type { Keyed } from "../keyed.ts";

/** Everything that this server knows and must never show. */
export function secretsOf({ secrets, alerts }: Configuration, { gatewayTokens }: Keyed): readonly string[] {
  const { applicationPasswords, migrationPasswords, encryptionKeys, adminTokenHashes, certificateKey } =
    secrets;
  return [
    ...applicationPasswords,
    ...migrationPasswords,
    ...encryptionKeys.map((key) => key.toString("base64")),
    ...adminTokenHashes.map((hash) => hash.toString("hex")),
    certificateKey,
    ...gatewayTokens,
    ...alertSecrets(alerts),
  ];
}
