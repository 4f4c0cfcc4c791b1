import { slotName } from "../vocabulary.ts";
import type { Step } from "./step.ts";
import type { DatabaseView } from "./view.ts";

/** How a database is expected to become a standby of another one, and why. `unknown`: only its data can tell. */
export interface Rejoin {
  readonly method: "as-is" | "rewind" | "base-backup" | "unknown";
  readonly reason: string;
}

/** What can be said before it was tried. What its data holds shows only once the node has looked at it. */
export function expectedRejoin(view: DatabaseView, upstream: DatabaseView): Rejoin {
  if (isWalGone(view, upstream))
    return {
      method: "base-backup",
      reason: `it was away for more WAL than slotWalKeepMegabytes, and ${upstream.name} has not kept all that it needs`,
    };
  const own = view.postgres?.timeline;
  const theirs = upstream.postgres?.timeline;
  if (view.state === "writable")
    return {
      method: "rewind",
      reason: `it accepted writes on timeline ${own} after ${upstream.name} had left that`,
    };
  if (view.state === "standby" && own !== undefined && theirs !== undefined && own <= theirs)
    return { method: "as-is", reason: "it is a standby already" };
  const stop = view.observed.stop.known ? view.observed.stop.value : undefined;
  if (stop?.state === "shut down" && stop.timeline === theirs)
    return { method: "as-is", reason: `it was stopped in order, on the timeline of ${upstream.name}` };
  if (stop?.state === "shut down")
    return {
      method: "unknown",
      reason: `it was stopped in order at ${stop.lsn} on timeline ${stop.timeline}; whether ${upstream.name} has all of that shows when it is started`,
    };
  return { method: "unknown", reason: "how far its data went shows when it is started" };
}

/** Whether the upstream's slot for a database was given up: what it would stream from it is not there any more. */
export function isWalGone(view: DatabaseView, upstream: DatabaseView): boolean {
  // Those of a standby are made anew when it is promoted.
  if (upstream.state !== "writable") return false;
  const slot = upstream.postgres?.slots.find(({ name }) => name === slotName(view.name));
  return slot?.walStatus === "lost";
}

/** A step in the words of an earlier plan of the same run, where that knew more: a node that is just starting cannot be asked. */
export function asExpected(step: Step, earlier: readonly Step[]): Step {
  if (step.kind !== "follow" || step.expected.method !== "unknown") return step;
  const before = earlier.findLast((other) => other.kind === "follow" && other.database === step.database);
  return before?.kind === "follow" ? { ...step, expected: before.expected } : step;
}

/** The ladder of ways, as far as it may have to be climbed, with the reason. */
export function rejoinText({ method, reason }: Rejoin): string {
  switch (method) {
    case "as-is":
      return `as it is: ${reason}`;
    case "base-backup":
      return `by base backup: ${reason}`;
    case "rewind":
      return `by pg_rewind, else by base backup: ${reason}`;
    case "unknown":
      return `as it is, else by pg_rewind, else by base backup: ${reason}`;
  }
}
