// Runs a transition for Pulumi: the create script of promote-read-only, restore-shared and rebuild-read-only.
// Standard input: JSON with what to do and the credentials for it (secret).
import { execa } from "execa";
import { z } from "zod";
import { settingsSchema } from "../../core/settings.ts";
import { deriveTopology } from "../../core/topology.ts";
import { transitions } from "../../core/transition/step.ts";
import { readInput, runStep } from "../node/step.ts";
import { runTransition } from "./driver.ts";
import { keepEvidence } from "./keepEvidence.ts";

const inputSchema = z.object({
  project: z.string(),
  stack: z.string(),
  settings: z.unknown(),
  goal: z.object({
    transition: z.enum(transitions),
    transitionId: z.string(),
    allowDataLoss: z.boolean(),
    primaryIsDown: z.boolean(),
    keepDiverged: z.boolean(),
    readUnsentWal: z.boolean(),
    synchronousEra: z.string().optional(),
  }),
  caCertificate: z.string(),
  monitoring: z.array(z.string()),
  operator: z.array(z.string()),
});

await runStep("transition", async () => {
  const input = inputSchema.parse(JSON.parse(await readInput()));
  const commit = await execa("git", ["rev-parse", "HEAD"], { reject: false });
  const evidence = await runTransition({
    topology: deriveTopology(input.project, input.stack, settingsSchema.parse(input.settings)),
    goal: input.goal,
    observer: { caCertificate: input.caCertificate, monitoringPassword: input.monitoring },
    operatorPassword: input.operator,
    commit: commit.failed ? null : commit.stdout.trim(),
    progress: (text) => process.stderr.write(`${text}\n`),
    keep: keepEvidence,
  });
  const { transition, transitionId, verdict, writeGapSeconds, lostWrites } = evidence;
  return { result: verdict, transition, transitionId, writeGapSeconds, lostWrites };
});
