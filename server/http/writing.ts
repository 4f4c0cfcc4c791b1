import { randomUUID } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { PoolClient } from "pg";
import type { DatabaseName } from "../../core/vocabulary.ts";
import type { AuditEvent } from "../audit/event.ts";
import { SpoolUnavailable } from "../audit/spool.ts";
import { idempotencyKeyPattern } from "../writes/idempotency.ts";
import type { WriteResponse, WriteResult } from "../writes/transaction.ts";
import { outcomeOf, subjectOf } from "./auditing.ts";
import { actorOf } from "./authentication.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";

/** One change that a request asks for. */
export interface Change {
  /** Method and path without its values: the same key means the same request only within it. */
  readonly operation: string;
  /** All that makes two requests the same. */
  readonly input: unknown;
  readonly key: string;
  /** Statements on `client` only; throws HttpProblem to refuse. */
  readonly work: (client: PoolClient, database: DatabaseName) => Promise<WriteResponse>;
  /** For the audit: what is to be changed, and what else is worth knowing. No secret. */
  readonly object?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** For the audit: what of the answer is worth knowing. No secret. */
  readonly outcomeDetails?: (body: object) => Readonly<Record<string, unknown>>;
}

/**
 * Does a change exactly once, in the name of who is signed in, and sets the headers that tell of it. Its audit event is
 * stored in the same transaction; an attempt that fails leaves an event too.
 */
export async function writeOnce(
  services: Services,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  { operation, input, key, work, object, details, outcomeDetails }: Change,
): Promise<WriteResult & { readonly database: DatabaseName }> {
  const { writer, hasher, trail } = services;
  const { audit } = request.routeOptions.config;
  if (audit === undefined) throw new Error(`${operation}: a change needs a name in the audit`);
  const actor = actorOf(request);
  const subject = subjectOf(request, actor, audit, { object: object ?? null, details: { ...details, key } });
  const open = await trail.begin(subject);
  let event: AuditEvent | null = null;
  let result: WriteResult & { readonly database: DatabaseName };
  try {
    result = await writer.run({
      actor: actor.id,
      key,
      requestHashes: hasher.hashes(operation, input),
      work,
      audit: ({ body }) => {
        const told = outcomeDetails === undefined ? {} : { details: outcomeDetails(body) };
        event = open.finished("success", { ...objectIn(body), ...told });
        return event;
      },
    });
  } catch (error) {
    const reason = error instanceof Error ? { reason: error.message } : {};
    await recordFailure(services, open.finished(outcomeOf(error), { details: reason }));
    throw error;
  }
  // A repetition is an event of its own, unless it was this server that had not heard the answer: then it is the same.
  if (result.replayed) await recordFailure(services, open.finished("repeated", objectIn(result.body)));
  else if (event !== null) trail.stored(event);
  if (result.replayed) reply.header("idempotency-replayed", "true");
  from(reply, result.database);
  return result;
}

/** Nothing depends on this record: what cannot be recorded goes to the log. */
async function recordFailure({ trail, log }: Services, event: AuditEvent): Promise<void> {
  try {
    await trail.record(event);
  } catch (error) {
    if (!(error instanceof SpoolUnavailable)) throw error;
    log.error({ err: error, audit: event }, "an audit event could not be recorded");
  }
}

/** What an answer says of the object: most are the object. */
function objectIn(body: object): { readonly object?: string; readonly objectName?: string } {
  return {
    ...("id" in body && typeof body.id === "string" ? { object: body.id } : {}),
    ...("name" in body && typeof body.name === "string" ? { objectName: body.name } : {}),
  };
}

/** The client's key, or a fresh one; told in the answer, so that a request without one can be repeated too. */
export function idempotencyKey(request: FastifyRequest, reply: FastifyReply): string {
  const given = request.headers["idempotency-key"];
  const key = given ?? randomUUID();
  if (typeof key !== "string" || !idempotencyKeyPattern.test(key)) {
    throw new HttpProblem(
      "invalid-input",
      400,
      "Idempotency-Key: 1 to 200 visible ASCII characters are needed.",
    );
  }
  reply.header("idempotency-key", key);
  return key;
}

/** Says which database the answer came from. */
export function from(reply: FastifyReply, database: DatabaseName): FastifyReply {
  return reply.header("x-database", database);
}
