import { hkdfSync } from "node:crypto";

/**
 * A name for an encryption key that tells nothing about it: 32 hex digits, derived one-way. Stored with every
 * ciphertext and in the database, compared at start.
 *
 * @param key 32 bytes
 */
export function keyFingerprint(key: Uint8Array): string {
  return Buffer.from(hkdfSync("sha256", key, "", "pg-continuity/fingerprint/1", 16)).toString("hex");
}
