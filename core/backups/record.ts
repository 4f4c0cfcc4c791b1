import { z } from "zod";
import type { Finding } from "../status.ts";

const time = z.iso.datetime();

/** What the deployment knows of its backups, as the table `continuity.backup` has it. */
export const backupRecordSchema = z.object({
  since: time.nullable().meta({ description: "When backups were turned on" }),
  lastGood: z
    .object({ name: z.string(), endedAt: time, bytes: z.number() })
    .nullable()
    .meta({ description: "The newest one that was made, verified and is still there" }),
  pending: z
    .object({ state: z.enum(["requested", "running"]), requestedAt: time })
    .nullable()
    .meta({ description: "One that is asked for or being made" }),
  lastFailure: z
    .object({ at: time, error: z.string() })
    .nullable()
    .meta({ description: "Where the last attempt has failed" }),
});
export type BackupRecord = z.output<typeof backupRecordSchema>;

const hour = 3600 * 1000;

/**
 * Why a deployment's newest good backup is too old; null while it is not. Where there is none yet, the time since backups
 * were turned on counts.
 */
export function whyTooOld(record: BackupRecord, alertAfterHours: number, observedAt: string): string | null {
  const { since, lastGood, lastFailure } = record;
  const from = lastGood?.endedAt ?? since;
  if (from === null) return null;
  const hours = Math.floor((Date.parse(observedAt) - Date.parse(from)) / hour);
  if (hours < alertAfterHours) return null;
  const failed =
    lastFailure === null ? "" : `; the last attempt failed at ${lastFailure.at}: ${lastFailure.error}`;
  return lastGood === null
    ? `there is none, ${hours} h after they were turned on (limit ${alertAfterHours} h)${failed}`
    : `the newest good one (${lastGood.name}) is ${hours} h old (limit ${alertAfterHours} h)${failed}`;
}

/** What helps against a backup that is too old. */
export const backupRemedy =
  'Make one now: "npm run backup -- now"; "npm run backup -- list" has the reason of each that failed.';

/** A newest good backup that is too old. */
export function ageFindings(
  record: BackupRecord,
  alertAfterHours: number,
  observedAt: string,
): readonly Finding[] {
  const problem = whyTooOld(record, alertAfterHours, observedAt);
  return problem === null ? [] : [{ subject: "backups", problem, remedy: backupRemedy }];
}
