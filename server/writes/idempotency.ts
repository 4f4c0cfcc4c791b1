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
  readonly #keys: readonly Buffer[];

  /** @param encryptionKeys 32 bytes each, the content of the key file, the current one first. */
  constructor(...encryptionKeys: readonly [Buffer, ...Buffer[]]) {
    this.#keys = encryptionKeys.map((key) => deriveKey(key, "idempotency"));
  }

  /**
   * Equal for equal operation and body, whatever the order of the body's fields. 32 bytes for each key: the first is
   * recorded, any of them is recognised, so that a key file may change between a request and its repetition.
   */
  hashes(operation: string, body: unknown): readonly Buffer[] {
    const text = canonicalJson([operation, body]);
    return this.#keys.map((key) => createHmac("sha256", key).update(text).digest());
  }
}

/** JSON with the fields of every object in order of their names. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) => {
    if (entry === null || typeof entry !== "object" || Array.isArray(entry)) return entry;
    return Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}
