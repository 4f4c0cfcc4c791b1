import type { DatabaseName, ServerName } from "../vocabulary.ts";
import type { Loss } from "./loss.ts";

/** Why a server or a database can be inactive. */
export const causeNames = ["service", "replication", "network"] as const;
export type CauseName = (typeof causeNames)[number];

export const causeVerdicts = ["likely", "ruled out", "not known"] as const;
export type CauseVerdict = (typeof causeVerdicts)[number];

/** One of the causes, judged by what was observed. */
export interface Cause {
  readonly name: CauseName;
  readonly title: string;
  readonly verdict: CauseVerdict;
  /** What was looked at. */
  readonly checked: string;
  /** What was seen there. */
  readonly evidence: readonly string[];
  /** What helps if it is this. */
  readonly remedy: string;
  /** To be typed as they are. */
  readonly commands: readonly string[];
}

/** All causes of one inactive node; at most one is likely. */
export interface Diagnosis {
  readonly likely: CauseName | null;
  readonly causes: readonly Cause[];
}

/**
 * What became of the observer's own question to a node.
 *
 * - `answered`; `refused`: its host answers, and nobody listens; `unnamed`: the network knows no such name;
 *   `silent`: nothing came back
 * - `starting`: PostgreSQL says that it starts or stops
 * - `odd`: somebody answers, but not as expected
 * - `unasked`: nobody has asked yet
 */
export type Look = "answered" | "refused" | "unnamed" | "silent" | "starting" | "odd" | "unasked";

/** What a server says of its own attempts to reach a node; null where it has not said. */
export interface Witnessed {
  readonly server: ServerName;
  readonly reachable: boolean | null;
  /** It reached the node a moment ago, and has not said so since the observer does not. */
  readonly isAwaited: boolean;
}

/** What is known of an inactive node whatever its kind. */
export interface InactiveNode {
  readonly containerName: string;
  readonly look: Look;
  /** The words of the failure. */
  readonly problem: string | null;
  readonly loss: Loss;
  /** What the other servers say. */
  readonly witnesses: readonly Witnessed[];
  readonly place: Place;
}

/** Where a node is, seen from the observer. */
export interface Place {
  /** On the observer's own engine. */
  readonly isBeside: boolean;
  /** Other nodes of its host that the observer reaches now. */
  readonly reachedOnItsHost: readonly string[];
}

/** Whom the observer reaches of all the others; shows whether its own network works. */
export interface Surroundings {
  readonly stack: string;
  readonly observer: ServerName;
  readonly reached: readonly string[];
  readonly unreached: readonly string[];
}

export interface InactiveServer extends InactiveNode {
  readonly name: ServerName;
  /** What it says of itself; null while it does not answer. */
  readonly state: string | null;
  /** Databases that it asks now, as those say. */
  readonly asks: readonly DatabaseName[];
  /** What it says of the databases, beside what was concluded of each. */
  readonly databases: readonly {
    readonly name: DatabaseName;
    /** By its own word; null where it has not said. */
    readonly reachable: boolean | null;
    /** Another server or the observer reaches it. */
    readonly isReachedByOthers: boolean;
    /** Why it is inactive; null where it is active or that is not known. */
    readonly likely: CauseName | null;
    /** Why it is not used. */
    readonly detail: string | null;
  }[];
}

export interface InactiveDatabase extends InactiveNode {
  readonly name: DatabaseName;
  readonly role: "standby" | "closed" | "refused" | "down";
  /** The database that accepts writes. */
  readonly writable: DatabaseName | null;
  /** The writable one lists it among those that follow (pg_stat_replication). */
  readonly isFollowing: boolean | null;
  /** The other database receives from it by streaming. */
  readonly isFollowed: boolean | null;
  /** The slot that feeds it; null where there is none, undefined where nobody could be asked. */
  readonly slot:
    | { readonly name: string; readonly active: boolean; readonly walStatus: string | null }
    | null
    | undefined;
  /** The way from the writable database: `open` where the observer has gone it, `same host` where there is none. */
  readonly way: "open" | "same host" | "unknown";
  /** A transition runs now. */
  readonly isInTransition: boolean;
}
