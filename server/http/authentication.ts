import type { FastifyReply, FastifyRequest } from "fastify";
import { matchesHash } from "../crypto/keys.ts";
import type { App } from "./app.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";

/** Failed sign-ins that one address may have within the window before it gets 429 instead of 401. */
const maxFailures = 20;
const windowMs = 60_000;

/** A hook that throws HttpProblem unless the request is signed in. */
export type SignIn = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/**
 * A hook that lets only the administrator's token pass. Failures are counted per address; a right
 * token always passes, so that nobody behind a shared address can lock the others out (the token
 * has 256 random bits, it is not guessed).
 */
export function authentication(app: App, services: () => Services): SignIn {
  const countFailure = app.createRateLimit({ max: maxFailures, timeWindow: windowMs });
  return async (request, reply) => {
    const token = bearerToken(request.headers.authorization);
    if (token !== null && matchesHash(token, services().adminTokenHash)) return;
    const limit = await countFailure(request);
    if (!limit.isAllowed && limit.isExceeded) {
      throw new HttpProblem("too-many-failed-sign-ins", 429, "Too many failed sign-ins from this address.", {
        retryAfterSeconds: limit.ttlInSeconds,
      });
    }
    reply.header("www-authenticate", 'Bearer realm="pg-continuity"');
    throw new HttpProblem(
      "not-signed-in",
      401,
      token === null ? 'Send the header "Authorization: Bearer TOKEN".' : "The token is not known.",
    );
  };
}

/** The token of an `Authorization: Bearer` header, or null. */
export function bearerToken(header: string | undefined): string | null {
  const match = /^Bearer +([\x21-\x7e]{1,512}) *$/i.exec(header ?? "");
  return match?.[1] ?? null;
}
