import { z } from "zod";
import { serverNames } from "../../core/vocabulary.ts";

export const auditKinds = ["resource", "user", "task"] as const;
export type AuditKind = (typeof auditKinds)[number];

/** What became of it. `unknown`: the connection was lost during COMMIT and nobody could be asked any more. */
export const auditOutcomes = ["success", "denied", "refused", "failed", "unknown", "repeated"] as const;
export type AuditOutcome = (typeof auditOutcomes)[number];

/** What is known of an event before its outcome. Holds no secret. */
export interface AuditSubject {
  readonly kind: AuditKind;
  /** `resource.reveal`, `account.create`, `task.retention` … */
  readonly operation: string;
  readonly actor: string;
  readonly actorId: string | null;
  readonly object?: string | null;
  readonly objectName?: string | null;
  readonly address: string | null;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An event as it is stored and spooled. */
export const auditEventSchema = z
  .object({
    server: z.enum(serverNames),
    sequence: z.number().int().positive(),
    id: z.uuid(),
    at: z.iso.datetime(),
    kind: z.enum(auditKinds),
    operation: z.string(),
    outcome: z.enum(auditOutcomes),
    actor: z.string(),
    actorId: z.string().nullable(),
    object: z.string().nullable(),
    objectName: z.string().nullable(),
    address: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "AuditEvent" });
export type AuditEvent = z.output<typeof auditEventSchema>;
