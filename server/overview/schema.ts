import { z } from "zod";
import { severities } from "../../core/alerts/rules.ts";
import { channelNames, ruleNames } from "../../core/alerts/settings.ts";
import { backupRecordSchema } from "../../core/backups/record.ts";
import { causeNames, causeVerdicts } from "../../core/causes/types.ts";
import { transitions } from "../../core/transition/step.ts";
import { databaseNames, models, phases, serverNames } from "../../core/vocabulary.ts";
import { serverStates } from "../health.ts";

const time = z.iso.datetime();

/** Who reaches a node: what each server says of its own attempts. */
const reachedBySchema = z.array(
  z.object({
    server: z.enum(serverNames),
    reachable: z
      .boolean()
      .nullable()
      .meta({ description: "Null: that server could not be asked, or has not tried" }),
    observedAt: time.nullable(),
  }),
);

/** Why a node is inactive: each cause with its verdict; at most one is likely. */
const causesSchema = z
  .object({
    likely: z.enum(causeNames).nullable().meta({ description: "Null: not known from here" }),
    causes: z.array(
      z.object({
        name: z.enum(causeNames),
        title: z.string(),
        verdict: z.enum(causeVerdicts),
        checked: z.string(),
        evidence: z.array(z.string()),
        remedy: z.string(),
        commands: z.array(z.string()),
      }),
    ),
  })
  .nullable()
  .meta({ description: "Why it is inactive; null while it is active" });
export type Causes = NonNullable<z.output<typeof causesSchema>>;

const serverSchema = z.object({
  name: z.enum(serverNames),
  displayName: z.string(),
  role: z.enum(["read-write", "read-only", "unavailable", "down", "unknown"]),
  expectedRole: z.enum(["read-write", "read-only"]),
  isActingPrimary: z.boolean(),
  active: z.boolean().meta({ description: "It answers and can do its duty" }),
  state: z.enum(serverStates).nullable(),
  database: z.enum(databaseNames).nullable(),
  since: time.nullable(),
  startedAt: time.nullable(),
  version: z.string().nullable(),
  detail: z.string().nullable(),
  reachedBy: reachedBySchema,
  certificateExpiresAt: time.nullable(),
  diskUsedPercent: z.number().nullable().meta({ description: "Of the disk that its state lies on" }),
  observedAt: time.nullable(),
  causes: causesSchema,
});
export type ServerTile = z.output<typeof serverSchema>;

const databaseSchema = z.object({
  name: z.enum(databaseNames),
  role: z.enum(["primary", "standby", "closed", "refused", "down"]),
  expectedRole: z.enum(["primary", "standby", "fenced"]),
  active: z.boolean(),
  address: z.string(),
  version: z.string().nullable(),
  timeline: z.int().nullable(),
  lsn: z.string().nullable(),
  lagBytes: z.number().nullable(),
  lagSeconds: z.number().nullable(),
  streaming: z.boolean().nullable(),
  syncState: z.string().nullable(),
  slot: z
    .object({
      name: z.string(),
      active: z.boolean(),
      walStatus: z.string().nullable(),
      retainedBytes: z.number().nullable(),
    })
    .nullable(),
  startedAt: time.nullable(),
  since: time.nullable(),
  detail: z.string().nullable(),
  reachedBy: reachedBySchema,
  observedAt: time.nullable(),
  causes: causesSchema,
});
export type DatabaseTile = z.output<typeof databaseSchema>;

const applicationSchema = z.object({
  name: z.enum(serverNames).meta({ description: "The server that it is beside" }),
  isWell: z.boolean().nullable().meta({ description: "Null: not asked yet" }),
  address: z.string(),
  since: time.nullable(),
  detail: z.string().nullable(),
  observedAt: time.nullable(),
});
export type ApplicationTile = z.output<typeof applicationSchema>;

const preflightSchema = z
  .object({
    transition: z.enum(transitions),
    verdict: z.enum(["can run", "refused", "nothing to do", "unknown"]).meta({
      description:
        "By the planner of the preview. Only said where it holds whatever this server does not see",
    }),
    observedAt: time.meta({ description: "The oldest of the looks that it rests on" }),
    steps: z
      .array(z.object({ text: z.string(), cost: z.string(), about: z.string() }))
      .meta({ description: "What would be done, where it can run" }),
    refused: z
      .array(z.object({ reason: z.string(), remedy: z.string() }))
      .meta({ description: "Where it is refused, why; where it is unknown, what may stand against it" }),
    warnings: z.array(z.string()),
    unseen: z.array(z.string()).meta({ description: "What would have to be known for a verdict" }),
  })
  .nullable()
  .meta({ description: "Of the transition that the commands preview; null where they preview none" });
export type Preflight = z.output<typeof preflightSchema>;

/** What one server sees of the whole deployment at one moment. */
export const overviewSchema = z
  .object({
    server: z.enum(serverNames).meta({ description: "Who has observed all this" }),
    observedAt: time,
    stack: z.string(),
    model: z.enum(models),
    phase: z.enum(phases),
    verdict: z.enum(["ok", "degraded", "down", "unknown"]),
    summary: z.string().meta({ description: "One sentence; by the rules of `npm run status`" }),
    writable: z.enum(databaseNames).nullable(),
    transition: z.object({ holder: z.string(), since: time }).nullable(),
    servers: z.array(serverSchema),
    databases: z.array(databaseSchema),
    applications: z.array(applicationSchema).meta({
      description: "One's own, one beside each server; none where the servers are the application themselves",
    }),
    gateway: z
      .object({
        reachable: z.boolean(),
        detail: z.string().nullable(),
        ownCertificateEndsAt: time
          .nullable()
          .meta({ description: "Null where it shows the stack's certificate" }),
      })
      .nullable(),
    findings: z.array(z.object({ subject: z.string(), problem: z.string(), remedy: z.string() })),
    alerts: z
      .array(
        z.object({
          key: z.string(),
          rule: z.enum(ruleNames),
          severity: z.enum(severities),
          subject: z.string(),
          problem: z.string(),
          remedy: z.string(),
          firedAt: time.nullable().meta({ description: "Null: too young, or nobody is told" }),
        }),
      )
      .meta({ description: "What people are told, or would be" }),
    alerting: z
      .object({
        sender: z.enum(serverNames).nullable().meta({ description: "The server that sends" }),
        channels: z.array(
          z.object({
            name: z.enum(channelNames),
            problem: z.string().nullable().meta({ description: "Why the last attempt failed" }),
            at: time.nullable().meta({ description: "When that was; null before the first" }),
            waiting: z.int().meta({ description: "Notices that are not sent yet" }),
          }),
        ),
      })
      .nullable()
      .meta({ description: "Null where no channel is configured" }),
    backups: z
      .object({
        schedule: z.string().meta({ description: "UTC" }),
        alertAfterHours: z.int(),
        record: backupRecordSchema.nullable().meta({ description: "Null while it is not known" }),
      })
      .nullable()
      .meta({ description: "Null where none are made" }),
    next: z
      .object({
        avoid: z.array(z.string()).meta({ description: "What must not be done meanwhile" }),
        steps: z.array(
          z.object({ text: z.string(), commands: z.array(z.string()), preflight: preflightSchema }),
        ),
      })
      .nullable()
      .meta({ description: "What a person does next; null where nothing is to be done" }),
  })
  .meta({ id: "Overview" });
export type Overview = z.output<typeof overviewSchema>;

export const historySchema = z.object({
  server: z.enum(serverNames),
  since: time.meta({ description: "When this server began to take notes" }),
  samples: z.array(z.object({ at: time, bytes: z.number().nullable(), seconds: z.number().nullable() })),
});
export type History = z.output<typeof historySchema>;
