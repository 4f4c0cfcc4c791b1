import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { deriveKey } from "../crypto/keys.ts";

/** A session that nothing was asked with for so long has ended. */
export const idleSeconds = 30 * 60;
/** No session lasts longer. */
export const lifetimeSeconds = 12 * 3600;
/** A cookie older than this is replaced by a fresh one. */
const renewAfterSeconds = 5 * 60;

const sessionSchema = z.strictObject({
  /** Random, 144 bits. */
  id: z.string().length(24),
  account: z.uuid(),
  /** The account's epoch at sign-in: a later one ends the session. */
  epoch: z.number().int(),
  /** Seconds since the epoch. */
  beganAt: z.number().int(),
  issuedAt: z.number().int(),
});
export type Session = z.output<typeof sessionSchema>;

/**
 * Sessions that stand in the cookie itself, signed: sign-in needs no write, and every server that has the key file
 * knows the session, also the read-only one.
 */
export class Sessions {
  readonly #keys: readonly Buffer[];

  /** @param encryptionKeys the content of the key file, the current key first: it signs, all of them verify. */
  constructor(encryptionKeys: readonly Buffer[]) {
    this.#keys = encryptionKeys.map((key) => deriveKey(key, "session"));
  }

  /** A new session: its id is never one that a browser brought along. */
  begin(account: string, epoch: number, now: number): Session {
    const seconds = Math.floor(now / 1000);
    return { id: randomBytes(18).toString("base64url"), account, epoch, beganAt: seconds, issuedAt: seconds };
  }

  /** The cookie's value. */
  seal(session: Session): string {
    const payload = Buffer.from(JSON.stringify(session)).toString("base64url");
    return `${payload}.${this.#sign("session", payload)}`;
  }

  /** The session of a cookie; null if it was not signed here or has ended. */
  open(cookie: string, now: number): Session | null {
    const [payload, signature, ...rest] = cookie.split(".");
    if (payload === undefined || signature === undefined || rest.length > 0) return null;
    if (!this.#verify("session", payload, signature)) return null;
    const session = sessionSchema.parse(JSON.parse(Buffer.from(payload, "base64url").toString("utf8")));
    return now / 1000 < expiresAt(session) ? session : null;
  }

  /** The session with a fresh time, if it is old enough to be replaced. */
  renew(session: Session, now: number): Session | null {
    const seconds = Math.floor(now / 1000);
    return seconds - session.issuedAt < renewAfterSeconds ? null : { ...session, issuedAt: seconds };
  }

  /** What a page of this session sends in `X-CSRF-Token` with every change: another site cannot know it. */
  csrfToken(session: Pick<Session, "id">): string {
    return this.#sign("csrf", session.id);
  }

  isCsrfToken(session: Pick<Session, "id">, token: string): boolean {
    return this.#verify("csrf", session.id, token);
  }

  #sign(purpose: string, text: string): string {
    const [key] = this.#keys;
    if (key === undefined) throw new Error("no key to sign with");
    return mac(key, purpose, text).toString("base64url");
  }

  #verify(purpose: string, text: string, signature: string): boolean {
    const given = Buffer.from(signature, "base64url");
    return this.#keys.some((key) => {
      const expected = mac(key, purpose, text);
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
  }
}

/** When a session ends if nothing more is asked with it, in seconds since the epoch. */
export function expiresAt(session: Session): number {
  return Math.min(session.issuedAt + idleSeconds, session.beganAt + lifetimeSeconds);
}

function mac(key: Buffer, purpose: string, text: string): Buffer {
  return createHmac("sha256", key).update(`${purpose}\n${text}`).digest();
}
