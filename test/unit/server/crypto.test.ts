import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { keyFingerprint } from "../../../core/keyFingerprint.ts";
import { Cipher, DecryptionError } from "../../../server/crypto/cipher.ts";
import { decodeKey, decodeKeys, matchesHash } from "../../../server/crypto/keys.ts";

const key = randomBytes(32);
const id = "0b8d0c1e-8b5a-4d3c-9a41-0f6b5f0a6a10";

describe("Cipher", () => {
  test.each(["x", "", "pässwörd 🔑\n\u0000", "a".repeat(16_384)])("should open what it sealed", (secret) => {
    const cipher = new Cipher(key);
    expect(cipher.open(id, cipher.seal(id, secret))).toBe(secret);
  });

  test("should use a fresh nonce of 96 bits each time", () => {
    const cipher = new Cipher(key);
    const nonces = Array.from({ length: 1000 }, () => cipher.seal(id, "x").nonce);
    expect(new Set(nonces.map((nonce) => nonce.toString("hex"))).size).toBe(1000);
    expect(nonces.every((nonce) => nonce.length === 12)).toBe(true);
  });

  test("should refuse another resource, another key and any altered bit", () => {
    const cipher = new Cipher(key);
    const sealed = cipher.seal(id, "secret");
    expect(() => cipher.open("other", sealed)).toThrow(DecryptionError);
    expect(() => new Cipher(randomBytes(32)).open(id, sealed)).toThrow(/sealed by key/);
    for (let bit = 0; bit < sealed.ciphertext.length * 8; bit += 1) {
      const ciphertext = Buffer.from(sealed.ciphertext);
      ciphertext[bit >> 3] = (ciphertext[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => cipher.open(id, { ...sealed, ciphertext })).toThrow(DecryptionError);
    }
    expect(() => cipher.open(id, { ...sealed, ciphertext: Buffer.alloc(3) })).toThrow(/damaged/);
  });

  test("should not tell the secret or the key in its errors", () => {
    const cipher = new Cipher(key);
    const message = String(new Cipher(randomBytes(32)).keyId) + cipher.keyId;
    expect(message).not.toContain(key.toString("hex").slice(0, 8));
  });

  test("should open what an older key of the file has sealed, and seal with the first", () => {
    const [old, fresh] = [randomBytes(32), randomBytes(32)];
    const sealed = new Cipher(old).seal(id, "s3cret");
    const both = new Cipher(fresh, old);
    expect(both.open(id, sealed)).toBe("s3cret");
    expect(both.seal(id, "s3cret").keyId).toBe(keyFingerprint(fresh));
    expect(both.keyIds).toEqual([keyFingerprint(fresh), keyFingerprint(old)]);
  });

  test("should refuse a key of another length", () => {
    expect(() => new Cipher(randomBytes(16))).toThrow("16 bytes, 32 are needed");
  });
});

describe("keys", () => {
  test("should read 32 bytes of base64 and nothing else", () => {
    expect(decodeKey(`${key.toString("base64")}\n`)).toEqual(key);
    for (const text of [
      "",
      "abc",
      key.toString("hex"),
      randomBytes(31).toString("base64"),
      `!${key.toString("base64")}`,
    ]) {
      expect(decodeKey(text)).toBeNull();
    }
  });

  test("should name equal keys equally", () => {
    expect(keyFingerprint(key)).toBe(keyFingerprint(Buffer.from(key)));
    expect(keyFingerprint(key)).toMatch(/^[0-9a-f]{32}$/);
    expect(keyFingerprint(key)).not.toBe(keyFingerprint(randomBytes(32)));
  });

  test("should know the token by its hash", () => {
    const hash = createHash("sha256").update("token").digest();
    const other = createHash("sha256").update("another").digest();
    expect(matchesHash("token", [hash])).toBe(true);
    expect(matchesHash("token", [other, hash])).toBe(true);
    expect(matchesHash("Token", [hash, other])).toBe(false);
    expect(matchesHash("", [hash])).toBe(false);
  });
});

test("a key file may hold several keys, each once", () => {
  const [one, two] = [randomBytes(32).toString("base64"), randomBytes(32).toString("base64")];
  expect(decodeKeys(`${one}\n${two}\n`)?.map((key) => key.toString("base64"))).toEqual([one, two]);
  for (const text of ["", `${one}\n${one}`, `${one}\nc2hvcnQ=`]) expect(decodeKeys(text)).toBeNull();
});
