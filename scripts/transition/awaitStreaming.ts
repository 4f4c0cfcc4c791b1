import { setTimeout as sleep } from "node:timers/promises";
import type { NodeStateObservation } from "../../core/observation.ts";
import { stateFolder } from "../../core/render/files.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { readContainerFile } from "../docker/container.ts";
import { containerOf } from "../observe/index.ts";
import { connectDatabase } from "../observe/postgres.ts";
import { type ActionContext, nodeOf } from "./context.ts";
import { KeptConnection } from "./keptConnection.ts";

/** Without any change for so long, in seconds, waiting ends with what the node said last. */
const patienceSeconds = 120;

/** A copy with so much before it, in bytes, is looked at seldom: each look takes time from it. */
const farFromDone = 100e6;

/** How long, in seconds, an upstream that cannot be connected to is tried again: it may just be opening. */
const upstreamPatienceSeconds = 10;

/**
 * How often a node is asked what it says of itself, and how far its replay is, in milliseconds: each question takes the
 * engine, or a database that is about to open, tens of milliseconds of its processors. Most are done before the first.
 */
const saysEveryMs = 1000;

interface Progress {
  /** Of the upstream. */
  readonly timeline: number;
  readonly streaming: boolean;
  readonly copiedBytes: number | null;
  readonly totalBytes: number | null;
}

/** A connection to a database that is about to become a standby: there is none until it opens. */
export function standbyConnection(name: DatabaseName, context: ActionContext): KeptConnection {
  return new KeptConnection(() => connectDatabase(nodeOf(context, name), context.operator), 0);
}

/**
 * Waits until `upstream` feeds `name` by streaming. Tells of a base backup in bytes and rate. Gives up when nothing
 * has changed for two minutes, with what the node says of itself.
 *
 * @param standby a connection to `name`, which stands afterwards
 */
export async function awaitStreaming(
  name: DatabaseName,
  upstream: DatabaseName,
  standby: KeptConnection,
  context: ActionContext,
): Promise<void> {
  let is = notReceiving;
  let askedAt = Date.now();
  await awaitProgress(name, upstream, context, "stream", async ({ streaming, timeline, copiedBytes }) => {
    const { replayedLsn } = is;
    if (!streaming) {
      is = { replayedLsn, receives: false };
      if (copiedBytes !== null || Date.now() - askedAt < saysEveryMs) return { isDone: false, replayedLsn };
    }
    // The sender's word counts when it is from after the receiver's: before, it may be about the old timeline.
    if (is.receives) return { isDone: true };
    is = await receiver(standby, timeline);
    askedAt = Date.now();
    return { isDone: false, replayedLsn: is.replayedLsn };
  });
}

/**
 * Whether the database itself says that it receives the upstream's timeline, and how far its replay is. The sender alone does not tell: of a
 * standby that was cut off it does not know for a minute, and one that is streaming the old timeline's rest has yet to
 * change over.
 */
async function receiver(standby: KeptConnection, timeline: number): Promise<Receiver> {
  try {
    const [row] = await standby.query<Receiver>(
      `SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming' AND received_tli = $1) AS receives,
         pg_last_wal_replay_lsn()::text AS "replayedLsn"`,
      [timeline],
    );
    return row ?? notReceiving;
  } catch {
    // It does not answer yet; who waits says what the node says of itself.
    return notReceiving;
  }
}

interface Receiver {
  readonly receives: boolean;
  readonly replayedLsn: string | null;
}

const notReceiving: Receiver = { receives: false, replayedLsn: null };

/** Waits until the data of `name` was copied for this very transition; the old data may still be streaming before. */
export function awaitCopy(name: DatabaseName, upstream: DatabaseName, context: ActionContext): Promise<void> {
  const container = containerOf(nodeOf(context, name));
  return awaitProgress(name, upstream, context, "finish its copy", async () => {
    const marker = await readContainerFile(container, copyMarker);
    return { isDone: marker?.trim() === context.goal.transitionId };
  });
}

/** In a copied data folder: for which transition it was copied. Written by the node (lib/copy.sh). */
const copyMarker = "/var/lib/postgresql/data/pg-continuity-copy";

async function awaitProgress(
  name: DatabaseName,
  upstream: DatabaseName,
  context: ActionContext,
  what: string,
  look: (progress: Progress) => Promise<{ readonly isDone: boolean; readonly replayedLsn?: string | null }>,
): Promise<void> {
  const container = containerOf(nodeOf(context, name));
  await using source = new KeptConnection(
    () => connectDatabase(nodeOf(context, upstream), context.operator),
    upstreamPatienceSeconds,
  );
  const startedAt = Date.now();
  let last = { text: "", replayedLsn: "" };
  let changedAt = Date.now();
  let shownAt = 0;
  let said = { text: "", at: Date.now() };
  while (true) {
    const progress = await progressOf(name, source);
    const { isDone, replayedLsn } = await look(progress);
    if (isDone) return;
    if (progress.copiedBytes === null && Date.now() - said.at > saysEveryMs) {
      const state = await readContainerFile(container, `${stateFolder}/node-state.json`);
      said = { text: nodeText(name, state), at: Date.now() };
    }
    const text = copyText(name, progress, (Date.now() - startedAt) / 1000) ?? said.text;
    const now = { text, replayedLsn: replayedLsn ? `, replayed up to ${replayedLsn}` : "" };
    if (now.text !== last.text || now.replayedLsn !== last.replayedLsn) {
      changedAt = Date.now();
      // Each thing that a node does is told; how far it is, once a second.
      const isNew = now.text !== last.text && progress.copiedBytes === null;
      if (now.text !== "" && (isNew || Date.now() - shownAt > 1000)) {
        context.progress(`${now.text}${isNew ? "" : now.replayedLsn}`);
        shownAt = Date.now();
      }
      last = now;
    }
    if (Date.now() - changedAt > patienceSeconds * 1000)
      throw new Error(
        `${name} did not ${what} within ${patienceSeconds} s without any change: ${last.text}${last.replayedLsn}`,
      );
    const bytesBefore = (progress.totalBytes ?? 0) - (progress.copiedBytes ?? 0);
    await sleep(progress.copiedBytes !== null && bytesBefore > farFromDone ? 500 : 20);
  }
}

function copyText(
  name: DatabaseName,
  { copiedBytes, totalBytes }: Progress,
  seconds: number,
): string | undefined {
  if (copiedBytes === null) return undefined;
  const total = totalBytes ? ` of ${bytesText(totalBytes)}` : "";
  return `${name}: base backup ${bytesText(copiedBytes)}${total}, ${bytesText(copiedBytes / Math.max(0.1, seconds))}/s`;
}

function nodeText(name: DatabaseName, said: string | undefined): string {
  if (said === undefined) return `${name}: waiting`;
  const { state, detail } = JSON.parse(said) as NodeStateObservation;
  return `${name}: ${state}: ${detail}`;
}

async function progressOf(name: DatabaseName, source: KeptConnection): Promise<Progress> {
  const [row] = await source.query<{
    timeline: number;
    streaming: boolean;
    copied: string | null;
    total: string | null;
  }>(
    `SELECT CASE WHEN pg_is_in_recovery() THEN 0
         ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END AS timeline,
       EXISTS (SELECT FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming') AS streaming,
       (SELECT backup_streamed::text FROM pg_stat_progress_basebackup LIMIT 1) AS copied,
       (SELECT backup_total::text FROM pg_stat_progress_basebackup LIMIT 1) AS total`,
    [`${name}-database`],
  );
  return {
    timeline: row?.timeline ?? 0,
    streaming: row?.streaming ?? false,
    copiedBytes: row?.copied == null ? null : Number(row.copied),
    totalBytes: row?.total == null ? null : Number(row.total),
  };
}

/** A number of bytes for people. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const index = Math.min(units.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1000)));
  return `${(bytes / 1000 ** index).toFixed(index === 0 ? 0 : 1)} ${units[index]}`;
}
