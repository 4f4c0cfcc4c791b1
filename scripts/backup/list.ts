import { z } from "zod";
import { listBackups } from "../../core/backups/statements.ts";
import type { DeployedStack } from "../cli/pulumi.ts";
import { newTable } from "../cli/statusTable.ts";
import { withRecord } from "../observe/backups.ts";

const text = z.string().nullable();
const number = z.number().nullable();

/** A request for a backup, and what became of it. */
const backupSchema = z.object({
  id: z.number(),
  state: z.enum(["requested", "running", "good", "failed", "removed"]),
  name: text,
  requestedBy: z.string(),
  requestedAt: z.string(),
  startedAt: text,
  endedAt: text,
  bytes: number,
  seconds: number,
  timeline: number,
  startLsn: text,
  stopLsn: text,
  error: text,
  /** Of the one that runs: how far its copy is. */
  progress: z.object({ phase: z.string(), bytes: number, of: number }).nullable(),
});
export type Backup = z.output<typeof backupSchema>;

/** What was asked for, the newest first; read from a standby where no database is writable. */
export async function listOf({ topology, access }: DeployedStack, limit: number): Promise<readonly Backup[]> {
  const login = { ca: access.caCertificate, user: "monitoring", password: access.monitoringPassword };
  return withRecord(topology, login, async (client) => {
    const { rows } = await client.query(listBackups, [limit]);
    return z.array(backupSchema).parse(rows);
  });
}

/** The list as a table for people, and why those failed that did. */
export function renderList(backups: readonly Backup[]): string {
  if (backups.length === 0) return "no backup was asked for yet\n";
  const table = newTable(["id", "backup", "state", "ended", "MB", "s", "timeline", "asked for by"]);
  for (const { id, name, state, endedAt, bytes, seconds, timeline, requestedBy } of backups)
    table.push([
      id,
      name ?? "-",
      state,
      endedAt?.replace(/\.\d+/, "") ?? "-",
      bytes === null ? "-" : (bytes / 1024 ** 2).toFixed(1),
      seconds ?? "-",
      timeline ?? "-",
      requestedBy,
    ]);
  const failures = backups.flatMap(({ id, error }) => (error === null ? [] : [`${id}: ${error}`]));
  return `${[table.toString(), ...failures].join("\n")}\n`;
}
