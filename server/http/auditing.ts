import type { FastifyRequest } from "fastify";
import type { Actor } from "../accounts/roles.ts";
import type { AuditKind, AuditOutcome, AuditSubject } from "../audit/event.ts";
import { SpoolUnavailable } from "../audit/spool.ts";
import { Refused, WriteUnavailable } from "../writes/errors.ts";
import { addressOf } from "./clientAddress.ts";
import type { Services } from "./services.ts";

/** How an operation is named in the audit. */
export interface Audited {
  readonly kind: AuditKind;
  /** `resource.reveal`, `account.create` … */
  readonly operation: string;
}

/** What the audit says of a request of `actor`, before its outcome. */
export function subjectOf(
  request: FastifyRequest,
  actor: Pick<Actor, "name" | "accountId">,
  audited: Audited,
  more: Pick<AuditSubject, "object" | "objectName" | "details"> = {},
): AuditSubject {
  return { ...audited, actor: actor.name, actorId: actor.accountId, address: addressOf(request), ...more };
}

/** The outcome of a change that failed with this error. */
export function outcomeOf(error: unknown): AuditOutcome {
  if (error instanceof Refused) return "refused";
  if (error instanceof WriteUnavailable) return error.outcomeUnknown ? "unknown" : "refused";
  return "failed";
}

/**
 * Records what happens anyway, whether or not it can be recorded: refusals, sign-ins. What cannot be recorded goes to
 * the log at least; only what shows a secret depends on its record.
 */
export async function recordIfPossible(
  { trail, log }: Services,
  subject: AuditSubject,
  outcome: AuditOutcome,
): Promise<void> {
  try {
    await trail.add(subject, outcome);
  } catch (error) {
    if (!(error instanceof SpoolUnavailable)) throw error;
    log.error({ err: error, audit: subject, outcome }, "an audit event could not be recorded");
  }
}
