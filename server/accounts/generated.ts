import { createHash, createHmac } from "node:crypto";
import { deriveKey } from "../crypto/keys.ts";

/**
 * Passwords and tokens that the server makes. They are derived from the request's idempotency key, so that the same
 * request sent again is answered with the same one although it is stored nowhere but as a hash.
 */
export class Generator {
  readonly #key: Buffer;

  /** @param encryptionKey the current one. */
  constructor(encryptionKey: Buffer) {
    this.#key = deriveKey(encryptionKey, "generated");
  }

  /** 24 characters, 144 bits. */
  password(id: string, actor: string, idempotencyKey: string): string {
    return this.#derive("password", id, actor, idempotencyKey).subarray(0, 18).toString("base64url");
  }

  /** `pgc_` and 43 characters, 256 bits. */
  token(id: string, actor: string, idempotencyKey: string): string {
    return `pgc_${this.#derive("token", id, actor, idempotencyKey).toString("base64url")}`;
  }

  #derive(...parts: readonly string[]): Buffer {
    return createHmac("sha256", this.#key).update(JSON.stringify(parts)).digest();
  }
}

export const tokenPattern = /^pgc_[\w-]{43}$/;

/** What is stored of a token. It has 256 random bits: a plain hash cannot be guessed. */
export function tokenHash(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}
