import type { FastifyReply } from "fastify";
import { verifyPassword } from "../accounts/passwords.ts";
import type { Actor } from "../accounts/roles.ts";
import { accountName, emptySchema, sessionSchema, signInSchema } from "../accounts/schema.ts";
import { expiresAt, lifetimeSeconds, type Session } from "../accounts/sessions.ts";
import { endSession, findCredential } from "../accounts/store.ts";
import { WriteUnavailable } from "../writes/errors.ts";
import type { App } from "./app.ts";
import { recordIfPossible, subjectOf } from "./auditing.ts";
import { actorOf, tooMany } from "./authentication.ts";
import { addressOf } from "./clientAddress.ts";
import type { Operations } from "./operation.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";
import { clearSession, readSession, writeSession } from "./sessionCookie.ts";
import { from, idempotencyKey, writeOnce } from "./writing.ts";

/** Password attempts within the window, right ones too: a guesser must not learn which one was right. */
const timeWindow = 60_000;
const attempts = { perAddress: 30, perName: 10 } as const;

/** Sign-in of browsers by password. It needs no write: it works at the read-only server too. */
export function sessionOperations(app: App, api: Operations, services: () => Services): void {
  const perAddress = app.createRateLimit({
    max: attempts.perAddress,
    timeWindow,
    keyGenerator: addressOf,
  });
  const perName = app.createRateLimit({
    max: attempts.perName,
    timeWindow,
    keyGenerator: ({ body }) => `name ${nameIn(body)}`,
  });

  api.add({
    method: "POST",
    path: "/api/session",
    id: "signIn",
    summary: "Sign in with name and password; the session is in a cookie",
    access: "anyone",
    needsVault: true,
    body: signInSchema,
    answers: { 200: { description: "Who is signed in", schema: sessionSchema } },
    problems: [401, 429],
    handle: async ({ body, request, reply }) => {
      for (const count of [perAddress, perName]) {
        const limit = await count(request);
        if (!limit.isAllowed && limit.isExceeded) throw tooMany(limit.ttlInSeconds);
      }
      const { reader, sessions } = services();
      const { value: found, database } = await reader.run((client) => findCredential(client, body));
      const right = await verifyPassword(body.password, found?.passwordHash ?? null);
      // What was typed as a name may be a password: only what can be a name is recorded.
      const name =
        found?.name ?? (accountName.safeParse(body.name).data === undefined ? "(unknown)" : body.name);
      const who = { name, accountId: found?.id ?? null };
      const subject = subjectOf(request, who, { kind: "user", operation: "session.sign-in" });
      if (found === null || !right) {
        await recordIfPossible(services(), subject, "denied");
        throw new HttpProblem("not-signed-in", 401, "Name or password is wrong, or the account is disabled.");
      }
      await recordIfPossible(services(), subject, "success");
      const session = sessions.begin(found.id, found.epoch, Date.now());
      writeSession(reply, sessions, session);
      return from(reply, database).send(answer(session, found, services()));
    },
  });

  api.add({
    method: "GET",
    path: "/api/session",
    id: "readSession",
    summary: "Who is signed in by cookie, and the token against forged requests",
    access: "signed-in",
    needsVault: true,
    answers: { 200: { description: "The session", schema: sessionSchema } },
    problems: [409],
    handle: ({ request, reply }) => {
      const actor = actorOf(request);
      const session = sessionOf(request, services());
      return reply.send(answer(session, { id: session.account, ...actorFields(actor) }, services()));
    },
  });

  api.add({
    method: "DELETE",
    path: "/api/session",
    id: "signOut",
    audit: { kind: "user", operation: "session.sign-out" },
    summary: "Sign out",
    access: "signed-in",
    needsVault: true,
    answers: { 200: { description: "Signed out", schema: emptySchema } },
    problems: [409],
    handle: async ({ request, reply }) => {
      const { directory, log } = services();
      const session = sessionOf(request, services());
      directory.end(session, (session.beganAt + lifetimeSeconds) * 1000);
      clearSession(reply);
      try {
        await writeOnce(
          services(),
          { request, reply },
          {
            operation: "DELETE /api/session",
            input: { session: session.id },
            key: idempotencyKey(request, reply),
            work: async (client) => {
              await endSession(client, session.id);
              return { status: 200, body: {} };
            },
          },
        );
      } catch (error) {
        if (!(error instanceof WriteUnavailable)) throw error;
        // The browser has forgotten it and this server refuses it; the others cannot be told now.
        log.warn({ err: error }, "a session was ended at this server only");
      }
      return reply.send({});
    },
  });
}

/** The request's session, of an actor that was found by it. */
export function sessionOf(request: Parameters<typeof readSession>[0], { sessions }: Services): Session {
  const session = actorOf(request).authentication === "session" ? readSession(request, sessions) : null;
  if (session === null) {
    throw new HttpProblem("no-session", 409, "This request is signed in by a token; there is no session.");
  }
  return session;
}

function answer(
  session: Session,
  account: { readonly id: string; readonly name: string; readonly role: string },
  { sessions }: Services,
): object {
  const { id, name, role } = account;
  return {
    account: { id, name, role },
    csrfToken: sessions.csrfToken(session),
    expiresAt: new Date(expiresAt(session) * 1000).toISOString(),
  };
}

function actorFields({ name, role }: Actor): Pick<Actor, "name" | "role"> {
  return { name, role };
}

function nameIn(body: unknown): string {
  if (body === null || typeof body !== "object" || !("name" in body)) return "";
  return typeof body.name === "string" ? body.name.slice(0, 100) : "";
}

/** A session that goes on after something that ends all others, under a new id. */
export function replaceSession(
  reply: FastifyReply,
  session: Session,
  epoch: number,
  { sessions }: Services,
): void {
  writeSession(reply, sessions, sessions.begin(session.account, epoch, Date.now()));
}
