import type { DatabaseName, ServerName } from "../../core/vocabulary.ts";
import type { DatabaseView } from "./view.ts";

/** Which database a server uses, and which it must not use. */
export interface Choice {
  /** The one writable database, or null when there is none that may be used. */
  readonly writable: DatabaseName | null;
  /** Where this server reads. */
  readonly readable: DatabaseName | null;
  /** Reachable databases that are not used for writes although they would accept them, with the reason. */
  readonly refused: readonly { readonly name: DatabaseName; readonly reason: string }[];
  /** Set when two databases claim to be the writable one and neither can be preferred. */
  readonly conflict: string | null;
}

/**
 * Chooses from what was observed. Pure.
 *
 * - writes: the one reachable database that is not in recovery, not closed to writes, and whose
 *   timeline is not lower than the highest that was ever seen of its system.
 * - reads: the server `read-only` prefers its own database; the others prefer the writable one;
 *   else any reachable one, a standby of an older timeline last. A refused primary is never read:
 *   its data has diverged.
 *
 * @param highestTimeline by system identifier, what the witness remembers.
 */
export function choose(
  server: ServerName,
  views: readonly DatabaseView[],
  highestTimeline: ReadonlyMap<string, number>,
): Choice {
  const primaries = views.filter((view) => view.reachable && view.inRecovery === false);
  const refused: { name: DatabaseName; reason: string }[] = [];
  const candidates: DatabaseView[] = [];
  for (const view of primaries) {
    const highest = highestOf(view, views, highestTimeline);
    if (view.timeline === null || view.systemId === null) {
      refused.push({ name: view.name, reason: "its timeline is not known" });
    } else if (view.timeline < highest) {
      refused.push({
        name: view.name,
        reason: `its timeline ${view.timeline} is lower than ${highest}, the highest seen: another database was promoted since`,
      });
    } else if (view.closed === true) {
      refused.push({ name: view.name, reason: "it is closed to writes (default_transaction_read_only)" });
    } else {
      candidates.push(view);
    }
  }

  const conflict = candidates.length > 1 ? describeConflict(candidates) : null;
  const writable = conflict === null ? (candidates[0]?.name ?? null) : null;
  return { writable, readable: chooseReadable(server, views, refused, writable), refused, conflict };
}

function highestOf(
  view: DatabaseView,
  views: readonly DatabaseView[],
  remembered: ReadonlyMap<string, number>,
): number {
  const seenNow = views
    .filter((other) => other.systemId !== null && other.systemId === view.systemId)
    .map((other) => other.timeline ?? 0);
  return Math.max(remembered.get(view.systemId ?? "") ?? 0, ...seenNow);
}

function describeConflict(candidates: readonly DatabaseView[]): string {
  const list = candidates
    .map((view) => `${view.name} (system ${view.systemId}, timeline ${view.timeline})`)
    .join(" and ");
  return `${list} both accept writes; none is used until one of them is closed`;
}

function chooseReadable(
  server: ServerName,
  views: readonly DatabaseView[],
  refused: Choice["refused"],
  writable: DatabaseName | null,
): DatabaseName | null {
  const diverged = new Set(
    refused
      .filter(({ name }) => views.find((view) => view.name === name)?.closed !== true)
      .map(({ name }) => name),
  );
  const preferred = server === "read-only" ? "read-only" : writable;
  const usable = views
    .filter((view) => view.reachable && !diverged.has(view.name))
    .sort((a, b) => rank(b) - rank(a));
  return usable.find((view) => view.name === preferred)?.name ?? usable[0]?.name ?? null;

  function rank(view: DatabaseView): number {
    return (view.timeline ?? 0) * 2 + (view.name === writable ? 1 : 0);
  }
}
