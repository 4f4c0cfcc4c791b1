import type Docker from "dockerode";
import { bytesText } from "../transition/awaitStreaming.ts";
import { databaseReady, localSql } from "./databaseState.ts";

type Answer = { done: true } | { waitingFor: string };

/** Whether a standby's own database says that it streams. */
export async function streams(standby: Docker.Container): Promise<Answer> {
  const status = await localSql(
    standby,
    "SELECT coalesce((SELECT status FROM pg_stat_wal_receiver), 'none')",
  );
  return status === "streaming"
    ? { done: true }
    : { waitingFor: `streaming to begin (WAL receiver: ${status})` };
}

/**
 * Readiness of a standby, for `waitUntil`: with the progress of its copy in bytes, where it is copied.
 *
 * @param patienceSeconds without a byte copied or a word from the node for so long it is given up
 */
export function readyWithProgress(
  standby: Docker.Container,
  upstream: Docker.Container,
  patienceSeconds: number,
): () => Promise<Answer> {
  const startedAt = Date.now();
  let last = "";
  let changedAt = startedAt;
  let shown = "";
  let shownAt = 0;
  return async () => {
    const ready = await databaseReady(standby);
    if ("done" in ready) return ready;
    const progress = await copied(upstream, (Date.now() - startedAt) / 1000);
    const text = progress ?? ready.waitingFor;
    if (text !== last) changedAt = Date.now();
    else if (Date.now() - changedAt > patienceSeconds * 1000)
      throw new Error(
        `nothing has happened for ${patienceSeconds} s: ${text}. Correct that and run it again.`,
      );
    last = text;
    // Bytes change all the time: a line a second is enough.
    if (progress === undefined || Date.now() - shownAt > 1000) {
      shown = text;
      if (progress !== undefined) shownAt = Date.now();
    }
    return { waitingFor: shown };
  };
}

/** How far the upstream has sent a base backup; undefined where it sends none. */
async function copied(upstream: Docker.Container, seconds: number): Promise<string | undefined> {
  const ready = await databaseReady(upstream);
  if ("waitingFor" in ready) return undefined;
  const row = await localSql(
    upstream,
    "SELECT backup_streamed, backup_total FROM pg_stat_progress_basebackup WHERE backup_streamed > 0 LIMIT 1",
  );
  if (row === "") return undefined;
  const [streamed, total] = row.split("|").map(Number);
  const of = total ? ` of ${bytesText(total)}` : "";
  return `base backup ${bytesText(streamed ?? 0)}${of}, ${bytesText((streamed ?? 0) / Math.max(0.1, seconds))}/s`;
}
