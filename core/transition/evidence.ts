import type { Observation } from "../observation.ts";
import type { DatabaseName } from "../vocabulary.ts";
import type { Goal } from "./step.ts";

/** Version of the evidence's JSON (docs/transitions.md). */
export const evidenceVersion = 1;

/** A database at one moment, as the evidence keeps it; null is "not known". */
export interface DatabaseEvidence {
  readonly name: DatabaseName;
  readonly role: "primary" | "standby" | null;
  readonly systemId: string | null;
  readonly timeline: number | null;
  readonly lsn: string | null;
}

export interface StepEvidence {
  readonly step: string;
  readonly startedAt: string;
  readonly seconds: number;
  readonly result: "done" | "failed";
  /** What the step found out: positions, the way a database rejoined, an error. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** The proof of what a transition did. Written also when it failed. */
export interface Evidence {
  readonly version: typeof evidenceVersion;
  readonly transition: Goal["transition"];
  readonly transitionId: string;
  readonly stack: string;
  readonly actor: string;
  readonly commit: string | null;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly verdict: "done" | "done, degraded" | "refused" | "failed";
  readonly before: readonly DatabaseEvidence[];
  readonly after: readonly DatabaseEvidence[];
  readonly steps: readonly StepEvidence[];
  /** From the order to stop writes until the first write on the new primary was committed; null when writes never stopped. */
  readonly writeGapSeconds: number | null;
  /** 0 where it is proved; null where it cannot be known. */
  readonly lostWrites: 0 | null;
  readonly warnings: readonly string[];
  readonly error: string | null;
}

/** How a transition ended: degraded where afterwards only one database is in operation. */
export function verdictOf(
  after: readonly DatabaseEvidence[],
  ended: "done" | "refused" | "failed",
): Evidence["verdict"] {
  if (ended !== "done") return ended;
  return after.some(({ role }) => role === "standby") ? "done" : "done, degraded";
}

/** What the evidence keeps of an observation. */
export function databaseEvidence(observation: Observation): readonly DatabaseEvidence[] {
  return observation.databases.map(({ name, postgres }) =>
    postgres.known
      ? {
          name,
          role: postgres.value.inRecovery ? "standby" : "primary",
          systemId: postgres.value.systemId,
          timeline: postgres.value.timeline,
          lsn: postgres.value.lsn,
        }
      : { name, role: null, systemId: null, timeline: null, lsn: null },
  );
}
