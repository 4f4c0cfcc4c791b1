import { z } from "zod";
import { databaseNames } from "../../core/vocabulary.ts";

const databaseSchema = z.object({
  name: z.enum(databaseNames),
  role: z.enum(["primary", "standby"]).nullable(),
  systemId: z.string().nullable(),
  timeline: z.number().nullable(),
  lsn: z.string().nullable(),
});

/** The proof of what a transition did (`core/transition/evidence.ts`), as it lies in the database. */
export const transitionSchema = z.object({
  version: z.number(),
  transition: z.string(),
  transitionId: z.string(),
  stack: z.string(),
  actor: z.string(),
  commit: z.string().nullable(),
  startedAt: z.string(),
  endedAt: z.string(),
  verdict: z.string(),
  before: z.array(databaseSchema),
  after: z.array(databaseSchema),
  steps: z.array(
    z.object({
      step: z.string(),
      startedAt: z.string(),
      seconds: z.number(),
      result: z.string(),
      details: z.record(z.string(), z.unknown()),
    }),
  ),
  writeGapSeconds: z.number().nullable(),
  lostWrites: z.number().nullable(),
  warnings: z.array(z.string()),
  error: z.string().nullable(),
});
export type Transition = z.output<typeof transitionSchema>;

export const transitionsSchema = z.object({
  items: z.array(transitionSchema),
  isRecorded: z.boolean().meta({ description: "False where this database keeps no record of transitions" }),
});
