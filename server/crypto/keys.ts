import { createHash, hkdfSync, timingSafeEqual } from "node:crypto";

/** The key's bytes from the text of a key file: 32 bytes in base64, or null. */
export function decodeKey(text: string): Buffer | null {
  const trimmed = text.trim();
  if (!/^[A-Za-z0-9+/]{43}=$/.test(trimmed)) return null;
  const key = Buffer.from(trimmed, "base64");
  return key.length === 32 ? key : null;
}

/** The keys of a key file, one a line; null if there is none, a line is wrong or a key occurs twice. */
export function decodeKeys(text: string): readonly Buffer[] | null {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const keys = lines.flatMap((line) => decodeKey(line) ?? []);
  const different = new Set(keys.map((key) => key.toString("base64"))).size;
  return keys.length > 0 && keys.length === lines.length && different === keys.length ? keys : null;
}

/** A key of 32 bytes for one purpose, so that no key is ever used for two. */
export function deriveKey(
  key: Buffer,
  purpose: "encryption" | "idempotency" | "session" | "generated",
): Buffer {
  return Buffer.from(hkdfSync("sha256", key, "", `pg-continuity/${purpose}/1`, 32));
}

/** True if `text` is one of these; takes the same time whichever it is. */
export function matchesAny(text: string, known: readonly string[]): boolean {
  const given = createHash("sha256").update(text, "utf8").digest();
  const matches = known.map((one) =>
    timingSafeEqual(given, createHash("sha256").update(one, "utf8").digest()),
  );
  return matches.includes(true);
}

/** True if the SHA-256 of `token` is one of `hashes` (32 bytes each); takes the same time whichever it is. */
export function matchesHash(token: string, hashes: readonly Buffer[]): boolean {
  const given = createHash("sha256").update(token, "utf8").digest();
  return hashes.map((hash) => timingSafeEqual(given, hash)).includes(true);
}
