import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { keyFingerprint } from "../../core/keyFingerprint.ts";
import { deriveKey } from "./keys.ts";

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** A sealed secret as it is stored: useless without the key file, and bound to one resource. */
export interface Sealed {
  /** Fingerprint of the key that sealed it. */
  readonly keyId: string;
  /** 96 random bits, fresh for each sealing. */
  readonly nonce: Buffer;
  /** Ciphertext followed by the 128-bit tag. */
  readonly ciphertext: Buffer;
}

export class DecryptionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "DecryptionError";
  }
}

/** AES-256-GCM under the keys of one key file. */
export class Cipher {
  /** Fingerprint of the key that seals. */
  readonly keyId: string;
  readonly #key: Buffer;
  readonly #keys: ReadonlyMap<string, Buffer>;

  /** @param keys 32 bytes each, the content of the key file: the first seals, all of them open. */
  constructor(...keys: readonly [Buffer, ...Buffer[]]) {
    for (const { length } of keys) {
      if (length !== 32) throw new RangeError(`encryption key: ${length} bytes, 32 are needed`);
    }
    this.keyId = keyFingerprint(keys[0]);
    this.#key = deriveKey(keys[0], "encryption");
    this.#keys = new Map(keys.map((key) => [keyFingerprint(key), deriveKey(key, "encryption")]));
  }

  /** Fingerprints of all keys, the one that seals first. */
  get keyIds(): readonly string[] {
    return [...this.#keys.keys()];
  }

  /** Seals `secret` for the resource with this id: it opens for no other. */
  seal(resourceId: string, secret: string): Sealed {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv(algorithm, this.#key, nonce);
    cipher.setAAD(associatedData(resourceId, this.keyId));
    const ciphertext = Buffer.concat([cipher.update(secret, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return { keyId: this.keyId, nonce, ciphertext };
  }

  /**
   * Opens what `seal` made.
   *
   * @throws DecryptionError when it was sealed by another key, for another resource, or was altered.
   */
  open(resourceId: string, sealed: Sealed): string {
    const key = this.#keys.get(sealed.keyId);
    if (key === undefined) {
      throw new DecryptionError(
        `the secret of resource ${resourceId} is sealed by key ${sealed.keyId}, this server has ${this.keyIds.join(", ")}`,
      );
    }
    if (sealed.nonce.length !== nonceBytes || sealed.ciphertext.length < tagBytes) {
      throw new DecryptionError(`the stored secret of resource ${resourceId} is damaged`);
    }
    const split = sealed.ciphertext.length - tagBytes;
    const decipher = createDecipheriv(algorithm, key, sealed.nonce, { authTagLength: tagBytes });
    decipher.setAAD(associatedData(resourceId, sealed.keyId));
    decipher.setAuthTag(sealed.ciphertext.subarray(split));
    try {
      const opened = Buffer.concat([decipher.update(sealed.ciphertext.subarray(0, split)), decipher.final()]);
      return opened.toString("utf8");
    } catch {
      // The cause says no more than this, by design of the cipher.
      throw new DecryptionError(
        `the stored secret of resource ${resourceId} was altered or belongs to another`,
      );
    }
  }
}

function associatedData(resourceId: string, keyId: string): Buffer {
  return Buffer.from(`pg-continuity/resource/${resourceId}/${keyId}`, "utf8");
}
