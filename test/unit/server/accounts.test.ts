import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Generator, tokenPattern } from "../../../server/accounts/generated.ts";
import { hashPassword, verifyPassword } from "../../../server/accounts/passwords.ts";
import { may, permissions, roles } from "../../../server/accounts/roles.ts";
import { idleSeconds, lifetimeSeconds, Sessions } from "../../../server/accounts/sessions.ts";

describe("passwords", () => {
  test("should verify the password it was made of, in any of its Unicode forms, and no other", async () => {
    const hash = await hashPassword("pässwort for me");
    expect(await verifyPassword("pa\u0308sswort for me", hash)).toBe(true);
    expect(await verifyPassword("pässwort for you", hash)).toBe(false);
    expect(await hashPassword("pässwort for me")).not.toBe(hash);
  });

  test("should be false for an account that is not there", async () => {
    expect(await verifyPassword("", null)).toBe(false);
  });
});

describe("Sessions", () => {
  const now = Date.parse("2026-01-01T12:00:00Z");
  const key = randomBytes(32);
  const sessions = new Sessions([key]);
  const session = sessions.begin(randomUUID(), 1, now);

  test("should open what another server with the same key has sealed", () => {
    expect(new Sessions([key]).open(sessions.seal(session), now)).toEqual(session);
    expect(new Sessions([randomBytes(32), key]).open(sessions.seal(session), now)).toEqual(session);
    expect(new Sessions([randomBytes(32)]).open(sessions.seal(session), now)).toBeNull();
  });

  test("should not open what was altered", () => {
    const [payload = "", signature = ""] = sessions.seal(session).split(".");
    const other = Buffer.from(JSON.stringify({ ...session, epoch: 2 })).toString("base64url");
    for (const cookie of [
      `${other}.${signature}`,
      payload,
      `${payload}.`,
      `${payload}.${signature}.x`,
      "",
      ".",
    ]) {
      expect(sessions.open(cookie, now)).toBeNull();
    }
  });

  test("should end when it is not used, and in any case after its lifetime", () => {
    const cookie = sessions.seal(session);
    expect(sessions.open(cookie, now + idleSeconds * 1000 - 1)).toEqual(session);
    expect(sessions.open(cookie, now + idleSeconds * 1000)).toBeNull();
    const late = now + lifetimeSeconds * 1000;
    const renewed = sessions.renew(session, late - 1000);
    expect(renewed).not.toBeNull();
    expect(sessions.open(sessions.seal(renewed ?? session), late)).toBeNull();
    expect(sessions.renew(session, now + 1000)).toBeNull();
  });

  test("should tell its own token against forged requests from another session's", () => {
    const other = sessions.begin(session.account, 1, now);
    expect(sessions.isCsrfToken(session, sessions.csrfToken(session))).toBe(true);
    expect(sessions.isCsrfToken(session, sessions.csrfToken(other))).toBe(false);
    expect(sessions.isCsrfToken(session, "")).toBe(false);
  });
});

test("what is generated depends on everything, and is the same for the same request", () => {
  const generator = new Generator(randomBytes(32));
  const made = generator.token("id", "actor", "key");
  expect(made).toMatch(tokenPattern);
  expect(generator.token("id", "actor", "key")).toBe(made);
  const all = [
    made.slice(4, 28),
    generator.password("id", "actor", "key"),
    generator.password("id2", "actor", "key"),
    generator.password("id", "actor2", "key"),
    generator.password("id", "actor", "key2"),
    new Generator(randomBytes(32)).password("id", "actor", "key"),
  ];
  expect(new Set(all).size).toBe(all.length);
});

test("each role may all that the one below it may; only an administrator may everything", () => {
  const granted = roles.map((role) => permissions.filter((permission) => may(role, permission)));
  const [administrator = [], operator = [], viewer = []] = granted;
  expect(administrator).toEqual(permissions);
  expect(operator).toEqual(expect.arrayContaining(viewer));
  expect(operator).toEqual(["resources.read", "secrets.reveal", "resources.write"]);
  expect(viewer).toEqual(["resources.read"]);
});
