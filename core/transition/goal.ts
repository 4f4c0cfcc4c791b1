import type { Settings } from "../settings.ts";
import type { Goal } from "./step.ts";

/** The goal with what the deployment knows of synchronous replication; unchanged where it is not synchronous. */
export function withEra(goal: Goal, synchronousEra: string | undefined): Goal {
  return synchronousEra === undefined ? goal : { ...goal, synchronousEra };
}

/** The transition that the config asks for; undefined for none. Overrides count only where they name its id. */
export function goalOf(settings: Settings): Goal | undefined {
  const { transition, transitionId, allowDataLoss, primaryIsDown, keepDiverged, readUnsentWal } = settings;
  if (transition === "none") return undefined;
  return {
    transition,
    transitionId,
    allowDataLoss: allowDataLoss === transitionId,
    primaryIsDown: primaryIsDown === transitionId,
    keepDiverged,
    readUnsentWal,
  };
}
