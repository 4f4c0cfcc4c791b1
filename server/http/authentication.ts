import type { FastifyReply, FastifyRequest } from "fastify";
import { tokenPattern } from "../accounts/generated.ts";
import { type Actor, deploymentActor, may } from "../accounts/roles.ts";
import type { Session } from "../accounts/sessions.ts";
import { matchesHash } from "../crypto/keys.ts";
import type { App } from "./app.ts";
import { recordIfPossible, subjectOf } from "./auditing.ts";
import { addressOf } from "./clientAddress.ts";
import type { Access } from "./operation.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";
import { readSession, writeSession } from "./sessionCookie.ts";

/** Failed sign-ins that one address may have within the window before it gets 429 instead of 401. */
const maxFailures = 20;
const windowMs = 60_000;
const changing = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/** A hook that throws HttpProblem unless the request is signed in and allowed to. */
export type SignIn = (request: FastifyRequest, reply: FastifyReply, access: Access) => Promise<void>;

const actors = new WeakMap<FastifyRequest, Actor>();

/** Who asks. Only for operations that need a sign-in. */
export function actorOf(request: FastifyRequest): Actor {
  const actor = actors.get(request);
  if (actor === undefined) throw new Error("the operation asks who is signed in, but anyone may call it");
  return actor;
}

/**
 * A hook that lets the deployment's token, tokens of accounts and browsers' sessions pass. Wrong tokens are counted per
 * address; a right one always passes, so that nobody behind a shared address can lock the others out (a token has
 * 256 random bits, it is not guessed).
 */
export function authentication(app: App, services: () => Services): SignIn {
  const countFailure = app.createRateLimit({
    max: maxFailures,
    timeWindow: windowMs,
    keyGenerator: addressOf,
  });
  return async (request, reply, access) => {
    const actor = await identify(request, reply, services());
    const { audit } = request.routeOptions.config;
    if (actor === null) {
      // Who brings no token has guessed none: a page asks first whether somebody is signed in.
      if (request.headers.authorization !== undefined) {
        const limit = await countFailure(request);
        if (!limit.isAllowed && limit.isExceeded) throw tooMany(limit.ttlInSeconds);
      }
      reply.header("www-authenticate", 'Bearer realm="pg-continuity"');
      const given = bearerToken(request.headers.authorization) !== null;
      if (given && services().ready()) {
        const unknown = { name: "(unknown)", accountId: null };
        const subject = subjectOf(request, unknown, { kind: "user", operation: "token.use" });
        await recordIfPossible(services(), subject, "denied");
      }
      throw new HttpProblem(
        "not-signed-in",
        401,
        given
          ? "The token is not known, has expired or was withdrawn."
          : 'Send the header "Authorization: Bearer TOKEN", or sign in with POST /api/session.',
      );
    }
    actors.set(request, actor);
    if (access !== "anyone" && access !== "signed-in" && !may(actor.role, access)) {
      if (audit !== undefined && services().ready()) {
        const { id } = request.params as { id?: string };
        await recordIfPossible(
          services(),
          subjectOf(request, actor, audit, { object: id ?? null }),
          "denied",
        );
      }
      throw new HttpProblem(
        "not-allowed",
        403,
        `The role ${actor.role} does not have the permission ${access}.`,
      );
    }
  };
}

/** The answer to too many attempts. */
export function tooMany(retryAfterSeconds: number): HttpProblem {
  return new HttpProblem("too-many-failed-sign-ins", 429, "Too many failed sign-ins. Wait, then try again.", {
    retryAfterSeconds,
  });
}

/** Waits until this server knows its vault: one that was just started is asked before it does. */
export async function prepared(services: Services): Promise<void> {
  if (await services.readySoon()) return;
  throw new HttpProblem(
    "not-prepared",
    503,
    "The server has not found a database with the right tables and key yet; it goes on trying.",
    { retryAfterSeconds: 2 },
  );
}

async function identify(
  request: FastifyRequest,
  reply: FastifyReply,
  services: Services,
): Promise<Actor | null> {
  const token = bearerToken(request.headers.authorization);
  if (token !== null) {
    if (matchesHash(token, services.adminTokenHashes)) return deploymentActor;
    if (!tokenPattern.test(token)) return null;
    await prepared(services);
    return await services.directory.byToken(token);
  }
  const session = readSession(request, services.sessions);
  if (session === null) return null;
  await prepared(services);
  const actor = await services.directory.bySession(session);
  if (actor === null) return null;
  if (changing.has(request.method)) refuseForgery(request, session, services);
  const renewed = services.sessions.renew(session, Date.now());
  if (renewed !== null) writeSession(reply, services.sessions, renewed);
  return actor;
}

/** A change by a browser must come from a page of this site: its cookie alone says nothing about who made it send it. */
function refuseForgery(request: FastifyRequest, session: Session, { sessions }: Services): void {
  const given = request.headers["x-csrf-token"];
  const site = request.headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") {
    throw new HttpProblem("forged-request", 403, "A page of another site has sent this request.");
  }
  if (typeof given !== "string" || !sessions.isCsrfToken(session, given)) {
    throw new HttpProblem(
      "forged-request",
      403,
      "Send the csrfToken of GET /api/session as X-CSRF-Token with every change.",
    );
  }
}

/** The token of an `Authorization: Bearer` header, or null. */
export function bearerToken(header: string | undefined): string | null {
  const match = /^Bearer +([\x21-\x7e]{1,512}) *$/i.exec(header ?? "");
  return match?.[1] ?? null;
}
