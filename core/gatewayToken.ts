import { hkdfSync } from "node:crypto";

/** The header by which the gateway shows that `X-Forwarded-For` is its own word. Clients cannot set it through the gateway. */
export const gatewayHeader = "x-pg-continuity-gateway";

/**
 * What the gateway sends in `gatewayHeader`: derived one-way from the servers' encryption key, so that both sides have
 * it without a secret of its own to keep.
 *
 * @param encryptionKey 32 bytes
 */
export function gatewayToken(encryptionKey: Uint8Array): string {
  return Buffer.from(hkdfSync("sha256", encryptionKey, "", "pg-continuity/gateway/1", 32)).toString("hex");
}
