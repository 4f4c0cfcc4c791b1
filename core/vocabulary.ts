/** The words of the project, once: config, code, status, evidence and docs all use these and no others. */

/** Deployment models: which servers and databases exist. */
export const models = ["full", "secondary", "read-only"] as const;
export type Model = (typeof models)[number];

/** Application servers, named by their role. */
export const serverNames = ["primary", "secondary", "read-only"] as const;
export type ServerName = (typeof serverNames)[number];

/** PostgreSQL nodes: `shared` serves primary and secondary, `read-only` is the streaming replica. */
export const databaseNames = ["shared", "read-only"] as const;
export type DatabaseName = (typeof databaseNames)[number];

/** The name of a database's slot on the other one. Slot names allow only a-z, 0-9 and underscore. */
export function slotName(name: DatabaseName): string {
  return name.replaceAll("-", "_");
}

/** What the deployment as a whole is in now. */
export const phases = ["normal", "promoting", "promoted", "restoring", "rebuilding", "degraded"] as const;
export type Phase = (typeof phases)[number];

/** One role of PostgreSQL per duty; each has only what that duty needs. */
export const databaseRoles = [
  "application",
  "migration",
  "replication",
  "subscriber",
  "rewind",
  "monitoring",
  "operator",
] as const;
export type DatabaseRole = (typeof databaseRoles)[number];

/** Any fixed number: the advisory lock that whoever runs a transition holds in every database that answers. */
export const transitionLockKey = 7_232_001;
