import { type ServerName, serverNames } from "../vocabulary.ts";

/** By what a server sends: the lease in the writable database, or because it is the first that is there. */
export const leaders = ["lease", "election"] as const;
export type Leader = (typeof leaders)[number];

/** Another server, as this one sees it. */
export interface Candidate {
  readonly name: ServerName;
  /** What it can do; null while it does not answer. */
  readonly state: string | null;
  readonly leader: Leader | null;
  /** It knows of alerts, and could send them. */
  readonly watches: boolean;
}

/**
 * Whether a server that gets no lease has to send: nobody that it reaches has one, and it is the first, in the order
 * primary, secondary, read-only, of those that it reaches. Pure. Servers that do not reach each other each elect one.
 */
export function electsItself(server: ServerName, others: readonly Candidate[]): boolean {
  const there = others.filter(({ state, watches }) => state !== null && state !== "stopping" && watches);
  const rank = (name: ServerName) => serverNames.indexOf(name);
  return there.every(({ name, leader }) => leader !== "lease" && rank(name) > rank(server));
}
