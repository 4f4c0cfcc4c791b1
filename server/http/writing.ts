import { randomUUID } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { PoolClient } from "pg";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { idempotencyKeyPattern } from "../writes/idempotency.ts";
import type { WriteResponse, WriteResult } from "../writes/transaction.ts";
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
}

/** Does a change exactly once, in the name of who is signed in, and sets the headers that tell of it. */
export async function writeOnce(
  services: Services,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  { operation, input, key, work }: Change,
): Promise<WriteResult & { readonly database: DatabaseName }> {
  const { writer, hasher } = services;
  const result = await writer.run({
    actor: actorOf(request).id,
    key,
    requestHashes: hasher.hashes(operation, input),
    work,
  });
  if (result.replayed) reply.header("idempotency-replayed", "true");
  from(reply, result.database);
  return result;
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
