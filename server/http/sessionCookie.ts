import type { FastifyReply, FastifyRequest } from "fastify";
import { expiresAt, type Session, type Sessions } from "../accounts/sessions.ts";

/** `__Host-`: browsers take it over TLS only, for this host and path `/` only. */
export const sessionCookieName = "__Host-pg-continuity";
const attributes = { path: "/", secure: true, httpOnly: true, sameSite: "strict" } as const;

/** The session that the request's cookie holds; null without one, or if it has ended. */
export function readSession(request: FastifyRequest, sessions: Sessions): Session | null {
  const value = request.cookies[sessionCookieName];
  return value === undefined ? null : sessions.open(value, Date.now());
}

export function writeSession(reply: FastifyReply, sessions: Sessions, session: Session): void {
  const expires = new Date(expiresAt(session) * 1000);
  reply.setCookie(sessionCookieName, sessions.seal(session), { ...attributes, expires });
}

export function clearSession(reply: FastifyReply): void {
  reply.clearCookie(sessionCookieName, attributes);
}
