import { z } from "zod";
import { backupRecordSchema } from "./backups/record.ts";
import { type Status, statusVersion } from "./status.ts";
import { databaseNames, models, phases, serverNames } from "./vocabulary.ts";

const time = z.iso.datetime();
const position = z.string().regex(/^[0-9A-F]+\/[0-9A-F]+$/);

/**
 * What `npm run status -- --json` prints, for programs that read it. `docs/status.schema.json` is made of it. Fields are
 * never removed or given another meaning within a version; new ones may appear.
 */
export const statusSchema: z.ZodType<Status> = z.strictObject({
  version: z.literal(statusVersion),
  stack: z.string(),
  model: z.enum(models),
  phase: z.enum(phases),
  verdict: z.enum(["ok", "degraded", "down", "unknown"]),
  summary: z.string(),
  observedAt: time,
  transition: z.strictObject({ holder: z.string(), since: time }).nullable(),
  databases: z.array(
    z.strictObject({
      name: z.enum(databaseNames),
      role: z.enum(["primary", "standby", "fenced", "closed", "down", "unknown"]),
      expectedRole: z.enum(["primary", "standby", "fenced"]),
      reachable: z.boolean(),
      timeline: z.int().nullable(),
      lsn: position.nullable(),
      lagBytes: z.number().nullable(),
      lagSeconds: z.number().nullable(),
      slot: z
        .strictObject({ name: z.string(), active: z.boolean(), walStatus: z.string().nullable() })
        .nullable(),
      streaming: z.boolean().nullable(),
      synchronous: z.boolean().nullable(),
      waitingCommits: z.number().nullable(),
      syncState: z.string().nullable(),
      since: z.string().nullable(),
      observedAt: time,
      detail: z.string().nullable(),
      keptData: z.array(z.strictObject({ folder: z.string(), bytes: z.int() })).nullable(),
    }),
  ),
  servers: z.array(
    z.strictObject({
      name: z.enum(serverNames),
      role: z.enum(["read-write", "read-only", "unavailable", "down", "unknown"]),
      expectedRole: z.enum(["read-write", "read-only"]),
      reachable: z.boolean(),
      database: z.string().nullable(),
      since: z.string().nullable(),
      observedAt: time,
      detail: z.string().nullable(),
      problem: z.string().nullable(),
      pack: z
        .strictObject({ version: z.string(), keyFingerprint: z.string(), schema: z.string().nullable() })
        .nullable(),
    }),
  ),
  applications: z.array(
    z.strictObject({
      name: z.enum(serverNames),
      state: z.enum(["well", "unwell", "down", "unknown"]),
      since: z.string().nullable(),
      observedAt: time,
      detail: z.string().nullable(),
    }),
  ),
  gateway: z.strictObject({ reachable: z.boolean(), detail: z.string().nullable() }),
  certificates: z.array(
    z.strictObject({ of: z.string(), expiresAt: time.nullable(), detail: z.string().nullable() }),
  ),
  backups: z
    .strictObject({
      schedule: z.string(),
      container: z.enum(["running", "stopped", "missing", "unknown"]),
      ...backupRecordSchema.shape,
      detail: z.string().nullable(),
    })
    .nullable(),
  findings: z.array(z.strictObject({ subject: z.string(), problem: z.string(), remedy: z.string() })),
});
