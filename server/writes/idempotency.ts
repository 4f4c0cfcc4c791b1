import { createHmac } from "node:crypto";
import { deriveKey } from "../crypto/keys.ts";

/** 1 to 200 visible ASCII characters: a UUID, a ULID, an incident number … */
export const idempotencyKeyPattern = /^[\x21-\x7e]{1,200}$/;

/**
 * Fingerprints requests, so that one key cannot stand for two different ones.
 * Keyed (HMAC-SHA-256), because a plain hash of a body with a weak secret in it could be guessed
 * by whoever reads the database.
 */
export class RequestHasher {
  readonly #key: Buffer;

  /** @param encryptionKey 32 bytes, the content of the key file. */
  constructor(encryptionKey: Buffer) {
    this.#key = deriveKey(encryptionKey, "idempotency");
  }

  /** Equal for equal operation and body, whatever the order of the body's fields. 32 bytes. */
  hash(operation: string, body: unknown): Buffer {
    return createHmac("sha256", this.#key)
      .update(canonicalJson([operation, body]))
      .digest();
  }
}

/** JSON with the fields of every object in order of their names. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) => {
    if (entry === null || typeof entry !== "object" || Array.isArray(entry)) return entry;
    return Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}
