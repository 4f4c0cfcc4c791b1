import { Readable } from "node:stream";
import { stringify } from "csv-stringify/sync";
import { z } from "zod";
import { serverNames } from "../../core/vocabulary.ts";
import { auditEventSchema, auditKinds, auditOutcomes } from "../audit/event.ts";
import {
  type AuditFilter,
  type AuditPage,
  type AuditPlace,
  listEvents,
  type StoredEvent,
  verifyEvents,
} from "../audit/store.ts";
import type { Reader } from "../databases/reader.ts";
import type { Operations } from "./operation.ts";
import type { Services } from "./services.ts";
import { line } from "./validate.ts";
import { from } from "./writing.ts";

/** Times that PostgreSQL can read and hold, and that mean something here. */
const time = z.iso
  .datetime({ offset: true })
  .max(40)
  .refine((value) => !/[+-](1[6-9]|2\d):\d\d$/.test(value), "must have an offset of less than 16 hours")
  .refine((value) => /^(19[7-9]|2\d\d)\d-/.test(value), "must be a time after 1970 and before 3000");

const filterSchema = z.strictObject({
  kind: z.enum(auditKinds).optional(),
  server: z.enum(serverNames).optional(),
  actor: line(200).optional(),
  operation: line(100).optional(),
  outcome: z.enum(auditOutcomes).optional(),
  object: line(200).optional(),
  from: time.optional().meta({ description: "Included" }),
  to: time.optional().meta({ description: "Not included" }),
});

const placeSchema = z.tuple([
  time,
  z.enum(serverNames),
  z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
]);

const listSchema = filterSchema.extend({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  after: z
    .string()
    .max(500)
    .transform((value, context) => {
      const place = decodePlace(value);
      if (place === null) {
        context.addIssue({ code: "custom", message: 'must be the "next" of the page before' });
        return z.NEVER;
      }
      return place;
    })
    .optional(),
});

const exportSchema = filterSchema.extend({ format: z.enum(["csv", "jsonl"]).default("jsonl") });

const storedEventSchema = auditEventSchema.extend({
  hash: z
    .string()
    .nullable()
    .meta({ description: "SHA-256 of the chain up to here; null while not chained yet" }),
});

const pageSchema = z.object({
  items: z.array(storedEventSchema),
  next: z.string().nullable(),
  spooledBytes: z.number().int().meta({
    description: "Events on this server's own disk that are not in the database yet, and not listed",
  }),
});

const verificationSchema = z.object({
  servers: z.array(
    z.object({
      server: z.string(),
      events: z.number().int(),
      chained: z.number().int(),
      problems: z.array(z.object({ sequence: z.number().int(), problem: z.string() })),
      unrecorded: z
        .array(z.string())
        .meta({ description: "Numbers that were under way when the server was killed: no problem" }),
    }),
  ),
});

/** An export is sent as it is read. */
const longestExportSeconds = 3600;
/** The gateway waits 60 s for the first byte (`core/render/haproxy.ts`). */
const longestVerificationSeconds = 58;

const read = { access: "audit.read", needsVault: true } as const;

/** The audit: read, exported, verified; never changed. */
export function auditOperations(api: Operations, services: () => Services): void {
  api.add({
    ...read,
    method: "GET",
    path: "/api/audit",
    id: "listAudit",
    summary: "Audit events, the newest first",
    query: listSchema,
    answers: { 200: { description: "One page", schema: pageSchema } },
    handle: async ({ query: { limit, after = null, ...filter }, reply }) => {
      const { reader, trail } = services();
      const { value, database } = await reader.run((client) => listEvents(client, filter, limit, after));
      const next = value.next === null ? null : encodePlace(value.next);
      return from(reply, database).send({ items: value.items, next, spooledBytes: trail.spooledBytes });
    },
  });

  api.add({
    ...read,
    method: "GET",
    path: "/api/audit/export",
    id: "exportAudit",
    summary: "All events that fit, as CSV or JSON lines, the newest first",
    query: exportSchema,
    longestSeconds: longestExportSeconds,
    answers: {
      200: { description: "One event a line", contentType: "application/x-ndjson", schema: z.string() },
    },
    handle: ({ query: { format, ...filter }, reply }) => {
      const lines = exportEvents(services().reader, filter, format);
      return reply
        .type(format === "csv" ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson")
        .header("content-disposition", `attachment; filename="audit.${format}"`)
        .send(Readable.from(lines));
    },
  });

  api.add({
    ...read,
    method: "GET",
    path: "/api/audit/verification",
    id: "verifyAudit",
    summary: "Recompute the chain of every server: shows events that were changed or removed",
    longestSeconds: longestVerificationSeconds,
    answers: { 200: { description: "By server", schema: verificationSchema } },
    handle: async ({ reply }) => {
      const { value, database } = await services().reader.run((client) =>
        verifyEvents(client, longestVerificationSeconds - 2),
      );
      return from(reply, database).send({ servers: value });
    },
  });
}

const exportBatch = 1000;
const csvColumns = [
  ...["server", "sequence", "at", "kind", "operation", "outcome", "actor", "actorId", "object", "objectName"],
  ...["address", "details", "hash"],
];

async function* exportEvents(
  reader: Reader,
  filter: AuditFilter,
  format: "csv" | "jsonl",
): AsyncGenerator<string> {
  let after: AuditPlace | null = null;
  if (format === "csv") yield stringify([csvColumns]);
  do {
    const place: AuditPlace | null = after;
    const page: AuditPage = (await reader.run((client) => listEvents(client, filter, exportBatch, place)))
      .value;
    if (page.items.length > 0) yield format === "csv" ? toCsv(page.items) : toJsonLines(page.items);
    after = page.next;
  } while (after !== null);
}

function toJsonLines(events: readonly StoredEvent[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join("");
}

/** A cell that begins like a formula gets a quote before it: spreadsheets would run it. */
function toCsv(events: readonly StoredEvent[]): string {
  const rows = events.map((event) => ({ ...event, details: JSON.stringify(event.details) }));
  return stringify(rows, { columns: csvColumns, escape_formulas: true });
}

function encodePlace(place: AuditPlace): string {
  return Buffer.from(JSON.stringify(place)).toString("base64url");
}

function decodePlace(value: string): AuditPlace | null {
  try {
    return placeSchema.safeParse(JSON.parse(Buffer.from(value, "base64url").toString("utf8"))).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
