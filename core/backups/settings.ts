import { z } from "zod";

/** The fields of a schedule, in order, with what each may be. */
const fields = [
  { name: "minute", from: 0, to: 59 },
  { name: "hour", from: 0, to: 23 },
  { name: "day of the month", from: 1, to: 31 },
  { name: "month", from: 1, to: 12 },
  { name: "day of the week", from: 0, to: 6 },
] as const;

/**
 * What is wrong with a schedule as a crontab says it; undefined where nothing is. Numbers, ranges, lists, `*` and steps of
 * `*`, as the library of the scheduled work takes them.
 */
export function scheduleProblem(schedule: string): string | undefined {
  const parts = schedule.trim().split(/\s+/);
  if (parts.length !== fields.length)
    return `has ${parts.length} fields, not the five of a crontab (minute, hour, day, month, weekday)`;
  for (const [index, { name, from, to }] of fields.entries()) {
    const part = parts[index] ?? "";
    if (!part.split(",").every((item) => isItem(item, from, to)))
      return `has the ${name} ${part}, which is none of ${from} to ${to}, *, */2, ${from}-${to} or a list of these`;
  }
  return undefined;
}

function isItem(item: string, from: number, to: number): boolean {
  if (item === "*") return true;
  const [, step] = /^\*\/(\d{1,2})$/.exec(item) ?? [];
  if (step !== undefined) return Number(step) >= 1;
  const [, first, last = first] = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(item) ?? [];
  if (first === undefined) return false;
  return Number(first) >= from && Number(last) <= to && Number(first) <= Number(last);
}

/** When backups are made, and how many of them are kept. Without a schedule none are made. */
export const backupSettingsSchema = z.strictObject({
  schedule: z
    .string()
    .trim()
    .superRefine((schedule, context) => {
      const problem = schedule === "" ? undefined : scheduleProblem(schedule);
      if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
    })
    .default("")
    .meta({ description: "Minute, hour, day, month, weekday; UTC: 0 2 * * *. Empty: none are made" }),
  keep: z
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(7)
    .meta({ description: "How many of the newest good ones stay" }),
  alertAfterHours: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(26)
    .meta({ description: "A newest good one that is older is an alert and a finding" }),
});

export type BackupSettings = z.output<typeof backupSettingsSchema>;
