import type { Configuration } from "../config/load.ts";
import type { Keyed } from "../keyed.ts";

/** Everything that this server knows and must never show. */
export function secretsOf({ secrets }: Configuration, { gatewayTokens }: Keyed): readonly string[] {
  const { applicationPasswords, migrationPasswords, encryptionKeys, adminTokenHash, certificateKey } =
    secrets;
  return [
    ...applicationPasswords,
    ...migrationPasswords,
    ...encryptionKeys.map((key) => key.toString("base64")),
    adminTokenHash.toString("hex"),
    certificateKey,
    ...gatewayTokens,
  ];
}
