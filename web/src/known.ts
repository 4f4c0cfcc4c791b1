import type { DatabaseTile, Overview, ServerTile } from "../../server/overview/schema.ts";

// What is not known is shown as not known, never as its absence.

/** Whether a server is active; null before it was asked. */
export function serverIsActive({ role, active }: ServerTile): boolean | null {
  return role === "unknown" ? null : active;
}

/** Whether a database is active; null before it was looked at. */
export function databaseIsActive({ observedAt, active }: DatabaseTile): boolean | null {
  return observedAt === null ? null : active;
}

/** What a database is, in a word or two. */
export function databaseKind({ observedAt, role }: DatabaseTile): string {
  if (observedAt === null) return "not looked at yet";
  return role === "primary" ? "accepts writes" : role;
}

/** The database that a server uses. Who does not answer says nothing of it. */
export function databaseUsed({ role, database }: ServerTile): string {
  return database ?? (role === "down" || role === "unknown" ? "unknown" : "none");
}

/** The slot of a standby: the writable database has it, and may not be there to tell. */
export function slotOf({ slot }: DatabaseTile, { writable, databases }: Overview): string {
  if (slot !== null)
    return `${slot.name} ${slot.active ? "active" : "inactive"}, ${slot.walStatus ?? "unused"}`;
  // Its position comes with its slots.
  const isKnown = databases.some(({ name, lsn }) => name === writable && lsn !== null);
  return isKnown ? "none" : "unknown";
}

/** Whether a database receives from the writable one: as it says itself, else as the slot at the other end does. */
export function receives({ role, streaming, slot }: DatabaseTile): boolean | null {
  if (role === "standby") return streaming;
  return role === "down" ? (slot?.active ?? null) : false;
}
