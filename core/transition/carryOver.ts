import type { Intent } from "../intent.ts";
import type { Observation } from "../observation.ts";
import type { DatabaseName } from "../vocabulary.ts";

/** How old, in milliseconds, an observation may be to count for a second step. */
export const freshForMs = 1000;

/** A database whose container was down before and after it was given this intent: whatever starts it now obeys. */
export interface FencedWhileDown {
  readonly database: DatabaseName;
  readonly intent: Intent;
}

/**
 * The observation after a fence of a database that was down and has stayed so: only its intent is another one, and that
 * is known. While writes wait this spares a second look at everything. Undefined where one is needed: when the step was
 * another one, or the observation is no longer of this moment.
 */
export function carryOver(
  observation: Observation,
  fenced: FencedWhileDown | undefined,
  now: number,
): Observation | undefined {
  if (!fenced || now - Date.parse(observation.observedAt) > freshForMs) return undefined;
  return {
    ...observation,
    databases: observation.databases.map((database) =>
      database.name === fenced.database
        ? { ...database, intent: { known: true, value: fenced.intent } }
        : database,
    ),
  };
}
