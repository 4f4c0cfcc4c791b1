import { ageFindings, type BackupRecord } from "./backups/record.ts";
import type { Observation } from "./observation.ts";
import type { Finding } from "./status.ts";
import type { Topology } from "./topology.ts";

/** The backups as `npm run status` shows them. */
export interface BackupStatus extends BackupRecord {
  /** UTC. */
  readonly schedule: string;
  readonly container: "running" | "stopped" | "missing" | "unknown";
  /** Why something is not known. */
  readonly detail: string | null;
}

const nothingKnown: BackupRecord = { since: null, lastGood: null, pending: null, lastFailure: null };

/** Null where none are made. */
export function backupStatus({ backup: node }: Topology, { backup }: Observation): BackupStatus | null {
  if (node === null || backup === null) return null;
  const { container, record } = backup;
  const unknown = [container, record].flatMap((part) => (part.known ? [] : [part.reason]));
  return {
    schedule: node.schedule,
    container: container.known ? container.value.state : "unknown",
    ...(record.known ? record.value : nothingKnown),
    detail: unknown.length === 0 ? null : unknown.join("; "),
  };
}

/** A container that makes none, and a newest one that is too old. What could not be asked is no finding here. */
export function backupFindings(
  { backup: node }: Topology,
  { backup, observedAt }: Observation,
): readonly Finding[] {
  if (node === null || backup === null) return [];
  const { container, record } = backup;
  const isDown = container.known && container.value.state !== "running";
  return [
    ...(isDown
      ? [
          {
            subject: "backups",
            problem: `are not made: their container is ${container.value.state}`,
            remedy: `Start it: docker start ${node.containerName}, or run "npm run up". Its log: docker logs ${node.containerName}`,
          },
        ]
      : []),
    ...(record.known ? ageFindings(record.value, node.alertAfterHours, observedAt) : []),
  ];
}
