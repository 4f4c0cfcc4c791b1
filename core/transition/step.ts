import type { DatabaseName } from "../vocabulary.ts";
import { type Rejoin, rejoinText } from "./rejoin.ts";

export const transitions = ["promote", "restore", "rebuild"] as const;
export type TransitionName = (typeof transitions)[number];

const targets = { promote: "read-only", restore: "shared" } as const;

/** The database that a transition makes the writable one. */
export function targetOf(transition: keyof typeof targets): DatabaseName {
  return targets[transition];
}

/** The other one of the two databases. */
export function otherOf(database: DatabaseName): DatabaseName {
  return database === "shared" ? "read-only" : "shared";
}

/** What a person asked for. */
export interface Goal {
  readonly transition: TransitionName;
  /** Incident or change number; a transition runs once for each. */
  readonly transitionId: string;
  /** Accepts an emergency promote that cannot prove zero loss; counts only for this transitionId. */
  readonly allowDataLoss: boolean;
  /** The operator's word that an unreachable old primary is switched off; counts only for this transitionId. */
  readonly primaryIsDown: boolean;
  /** Keeps a copy of data that went its own way before it is set back. */
  readonly keepDiverged: boolean;
  /** Before an emergency promote reads from the disk of the database that is down what it had not sent. */
  readonly readUnsentWal: boolean;
  /**
   * The present era of synchronous replication, as the deployment keeps it. A standby that has it has every acknowledged
   * write. Left out where replication is not synchronous.
   */
  readonly synchronousEra?: string;
}

/** What a step costs the application. */
export type StepCost = "no downtime" | "writes wait";

/** One act of a transition. Small, and safe to do again. */
export type Step =
  /** Checkpoint, so that the stop is short; the old primary ends; its last byte is replayed; the standby is promoted. */
  | { readonly kind: "switch-over"; readonly from: DatabaseName; readonly to: DatabaseName }
  /** Makes sure that a database that is down or silent cannot come back writable. */
  | { readonly kind: "fence"; readonly database: DatabaseName; readonly follows: DatabaseName }
  /**
   * Promotes a standby while nobody accepts writes. `replayed`: WAL position it must have come past first.
   * `seenTimeline`: the highest timeline that anybody has seen; the new one must be above it. `unsentFrom`: the database
   * that is down, from whose disk the standby gets first what it had not received; null where nothing is to be read.
   */
  | {
      readonly kind: "promote";
      readonly database: DatabaseName;
      readonly replayed: string | null;
      readonly seenTimeline: number;
      readonly unsentFrom: DatabaseName | null;
      readonly proof: "lossless" | "possible loss";
    }
  /** The database follows another one: as it is, else rewound, else copied again. */
  | {
      readonly kind: "follow";
      readonly database: DatabaseName;
      readonly upstream: DatabaseName;
      readonly expected: Rejoin;
    }
  /** The database's data is thrown away and copied again. */
  | { readonly kind: "copy"; readonly database: DatabaseName; readonly upstream: DatabaseName }
  /** A database that is writable already gets the intent that says so. */
  | { readonly kind: "record-intent"; readonly database: DatabaseName };

const followTime: Readonly<Record<Rejoin["method"], string>> = {
  "as-is": "1 s",
  "base-backup": "as long as a copy takes",
  rewind: "1 s, or as long as a copy takes",
  unknown: "1 s, or as long as a copy takes",
};

/** A step in words, with what it costs: for the preview and the progress. */
export function describeStep(step: Step): {
  readonly text: string;
  readonly cost: StepCost;
  readonly about: string;
} {
  switch (step.kind) {
    case "switch-over":
      return {
        text: `checkpoint and stop ${step.from} in order, replay its last byte on ${step.to}, promote ${step.to}`,
        cost: "writes wait",
        about: "0.3 s",
      };
    case "fence":
      return {
        text: `fence ${step.database}: it may only come back as standby of ${step.follows}`,
        cost: "no downtime",
        about: "0.1 s",
      };
    case "promote":
      return { text: `promote ${step.database} ${promotionText(step)}`, cost: "writes wait", about: "0.2 s" };
    case "follow":
      return {
        text: `${step.database} follows ${step.upstream} (${rejoinText(step.expected)})`,
        cost: "no downtime",
        about: followTime[step.expected.method],
      };
    case "copy":
      return {
        text: `throw the data of ${step.database} away and copy it from ${step.upstream} by base backup`,
        cost: "no downtime",
        about: "as long as a copy takes",
      };
    case "record-intent":
      return { text: `record that ${step.database} is the primary`, cost: "no downtime", about: "0.1 s" };
  }
}

function promotionText({ unsentFrom, proof }: Extract<Step, { kind: "promote" }>): string {
  if (unsentFrom === null) return `(${proof})`;
  return `with what can be read of the WAL that ${unsentFrom} had not sent (${proof})`;
}
