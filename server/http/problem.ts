import type { FastifyReply } from "fastify";
import { errorCode } from "../../core/connectionFailure.ts";
import { PasswordsOverloaded } from "../accounts/passwords.ts";
import { SpoolUnavailable } from "../audit/spool.ts";
import { DecryptionError } from "../crypto/cipher.ts";
import { queryCanceled } from "../databases/errors.ts";
import { ReadUnavailable } from "../databases/reader.ts";
import { IdempotencyMismatch, Refused, WriteUnavailable } from "../writes/errors.ts";

/** An answer that says what went wrong, as RFC 9457 describes it. */
export interface Problem {
  /** `urn:pg-continuity:problem:<kind>`: stable, for programs. */
  readonly type: string;
  /** The kind in words. */
  readonly title: string;
  readonly status: number;
  /** What happened to this request and what to do. */
  readonly detail: string;
  /** Of bad input: each field that is wrong. */
  readonly errors?: readonly { readonly field: string; readonly message: string }[];
  /** Of a write: true if it may have been done all the same. */
  readonly outcomeUnknown?: boolean;
  readonly retryAfterSeconds?: number;
}

const titles = {
  "bad-request": "The request is not understood",
  "invalid-input": "The request has wrong values",
  "not-signed-in": "Sign in first",
  "too-many-failed-sign-ins": "Too many failed sign-ins",
  "too-many-password-attempts": "Too many attempts to change the password",
  "not-allowed": "The role does not allow it",
  "forged-request": "The request did not come from a page of this site",
  "wrong-password": "The password is wrong",
  "no-session": "There is no session or account to do this with",
  conflict: "It contradicts what is there",
  "not-found": "There is no such thing here",
  "idempotency-mismatch": "The idempotency key was used before",
  "read-only-continuity": "Read-only continuity: nothing can be changed now",
  "no-writable-database": "No writable database",
  "no-database": "No database can be reached",
  "not-prepared": "The server is not prepared yet",
  overloaded: "Too many requests are waiting",
  "audit-unavailable": "The audit cannot be written",
  "damaged-secret": "The stored secret cannot be opened",
  stopping: "The server is stopping",
  "time-limit": "The request took too long",
  internal: "The server met an error",
} as const;
export type ProblemKind = keyof typeof titles;

/** A problem that a handler answers with. */
export class HttpProblem extends Refused {
  readonly problem: Problem;

  constructor(kind: ProblemKind, status: number, detail: string, more: Partial<Problem> = {}) {
    super(detail);
    this.name = "HttpProblem";
    this.problem = problemOf(kind, status, detail, more);
  }
}

export function problemOf(
  kind: ProblemKind,
  status: number,
  detail: string,
  more: Partial<Problem> = {},
): Problem {
  return { type: `urn:pg-continuity:problem:${kind}`, title: titles[kind], status, detail, ...more };
}

/** The problem that an error is answered with. Errors of the server itself tell nothing of their cause. */
export function problemFor(error: unknown): Problem {
  if (error instanceof HttpProblem) return error.problem;
  if (error instanceof WriteUnavailable) {
    const { retryAfterSeconds, outcomeUnknown } = error;
    return problemOf(error.kind, 503, error.message, { retryAfterSeconds, outcomeUnknown });
  }
  if (error instanceof ReadUnavailable) {
    return problemOf(error.kind, 503, error.message, { retryAfterSeconds: 2 });
  }
  if (error instanceof SpoolUnavailable) {
    return problemOf(
      "audit-unavailable",
      503,
      "Nothing is revealed that cannot be recorded: neither a database nor this server's disk takes audit events now.",
      { retryAfterSeconds: 10 },
    );
  }
  if (error instanceof PasswordsOverloaded) {
    return problemOf("overloaded", 503, "Too many passwords are being checked.", { retryAfterSeconds: 2 });
  }
  if (error instanceof IdempotencyMismatch) return problemOf("idempotency-mismatch", 422, error.message);
  if (error instanceof DecryptionError) {
    return problemOf(
      "damaged-secret",
      500,
      "The stored secret cannot be opened; the server's log says more.",
    );
  }
  if (errorCode(error) === queryCanceled) {
    return problemOf("time-limit", 503, "The database gave the statement up after its time limit.", {
      retryAfterSeconds: 2,
    });
  }
  if (error instanceof Error && "statusCode" in error && typeof error.statusCode === "number") {
    const { statusCode } = error;
    if (statusCode >= 400 && statusCode < 500) return problemOf("bad-request", statusCode, error.message);
    if (statusCode === 503)
      return problemOf("stopping", 503, "The server is stopping.", { retryAfterSeconds: 1 });
  }
  return problemOf("internal", 500, "The server met an error that it did not expect; its log says more.");
}

/** Sends a problem document with the headers that belong to it. */
export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.retryAfterSeconds !== undefined) reply.header("retry-after", String(problem.retryAfterSeconds));
  return reply
    .code(problem.status)
    .header("cache-control", "no-store")
    .type("application/problem+json")
    .send(JSON.stringify(problem));
}
