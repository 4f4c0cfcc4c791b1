import { z } from "zod";
import { databaseNames } from "./vocabulary.ts";

/**
 * What a database node has been told to be: `intent.json` in its state volume, obeyed by the node's entrypoint.
 * It lives beside the data and not in the container's definition, so that a change of role replaces nothing.
 */
export const intentSchema = z.object({
  version: z.literal(1),
  role: z.enum(["primary", "standby", "fenced"]),
  /** Whom a standby follows. */
  upstream: z.enum(databaseNames).optional(),
  /** The transition that gave this intent; `initial` for the first. */
  transitionId: z.string(),
  /** Only in the very first intent of a primary: an empty data folder may be filled by initdb. */
  initialise: z.boolean().optional(),
  /** A standby: throw the data away and copy it again, once for this transitionId. */
  fresh: z.boolean().optional(),
  /**
   * A standby: its upstream has not kept the WAL that its data needs. Copy it again, once for this transitionId; what
   * nobody else has is kept aside before, where keepDiverged says so.
   */
  walGone: z.boolean().optional(),
  /** A former primary whose data went its own way: keep a copy aside before it is set back. */
  keepDiverged: z.boolean().optional(),
  /**
   * A primary: it was promoted without what the old one had not sent, because that could not be read or did not go on where
   * the own data ended. That the old one comes back as it is does not prove then that nothing was lost.
   */
  unsentUnread: z.boolean().optional(),
  writtenAt: z.string(),
});

export type Intent = z.infer<typeof intentSchema>;

/** The first intent of a database in a new deployment. */
export function firstIntent(
  role: "primary" | { standbyOf: (typeof databaseNames)[number] },
  now: Date,
): Intent {
  const common = { version: 1, transitionId: "initial", writtenAt: now.toISOString() } as const;
  return role === "primary"
    ? { ...common, role, initialise: true }
    : { ...common, role: "standby", upstream: role.standbyOf };
}
