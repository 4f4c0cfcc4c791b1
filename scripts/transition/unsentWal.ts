import type Docker from "dockerode";
import { lsnDistance, parseLsn, renderLsn } from "../../core/lsn.ts";
import {
  goOnAfter,
  historyName,
  mayEndWithSwitch,
  pageBytes,
  pageOf,
  segmentName,
  WrittenPages,
} from "../../core/transition/unsentWal.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { isStatus, readContainerBytes } from "../docker/container.ts";
import { messageOf } from "../observe/container.ts";
import { lookAt } from "../observe/index.ts";
import type { Queryable } from "../observe/sharedConnection.ts";
import { type ActionContext, nodeOf } from "./context.ts";

const walFolder = "/var/lib/postgresql/data/pg_wal";

/** How much is read at most, in bytes: all of it is held in memory. A standby further behind gets the first of it. */
const maximumBytes = 256 * 1024 * 1024;

/** What a database that does not run has on its disk beyond what a standby has received. */
export interface UnsentWal {
  readonly from: DatabaseName;
  /** The standby had received, or replayed, up to here. */
  readonly receivedLsn: string;
  readonly timeline: number;
  /** The highest that its disk knows of. */
  readonly highestTimeline: number;
  /** Where the pages begin: with the page that `receivedLsn` is in. */
  readonly startLsn: string;
  readonly pages: Buffer;
  /** Whether there was more than is read at once. */
  readonly isCut: boolean;
  /** When the container had been started the last time; another one is started anew since. */
  readonly containerStartedAt: string;
}

/** Where a standby's WAL ends, in bytes, and on which timeline; and the size of its segments, which is its primary's. */
interface End {
  readonly timeline: number;
  readonly received: number;
  readonly segmentBytes: number;
}

/** The words that tell `take-over` that it could not be read. */
export const unreadWords = "? - 0";

/** The words that tell `take-over` of it, and the bytes that follow them. */
export function unsentWords(wal: UnsentWal | undefined): readonly [string, ...Buffer[]] {
  if (!wal) return ["- - 0"];
  return [`${wal.timeline} ${wal.startLsn} ${wal.pages.length}`, wal.pages];
}

/** How many bytes a promotion has replayed that the standby had not received. */
export function recoveredBytes(wal: UnsentWal, replayedLsn: string): number {
  return lsnDistance(replayedLsn, wal.receivedLsn);
}

/**
 * Reads from the disk of a database what it had written and not sent to a standby. PostgreSQL's records say themselves where
 * they end, so whatever is read here can only be a whole continuation or less of it, never something else.
 *
 * @param standby a connection to it
 * @throws Error when the disk or the standby cannot be asked
 */
export async function readUnsentWal(
  from: DatabaseName,
  standby: Queryable,
  context: ActionContext,
): Promise<UnsentWal> {
  const container = lookAt(nodeOf(context, from));
  const [{ State }, end] = await Promise.all([container.inspect(), endOf(standby)]);
  return readFrom(from, container, State.StartedAt, end);
}

async function readFrom(
  from: DatabaseName,
  container: Docker.Container,
  containerStartedAt: string,
  { timeline, received, segmentBytes }: End,
): Promise<UnsentWal> {
  const start = pageOf(received);
  const highestTimeline = await highestOn(container, timeline);
  const { pages, isCut } = await pagesFrom(container, timeline, start, segmentBytes);
  const isMore = goOnAfter(pages, received - start);
  return {
    from,
    receivedLsn: renderLsn(received),
    timeline,
    highestTimeline,
    startLsn: renderLsn(start),
    pages: isMore ? pages : Buffer.alloc(0),
    isCut,
    containerStartedAt,
  };
}

/** What a database has from a page on, segment by segment. */
async function pagesFrom(
  container: Docker.Container,
  timeline: number,
  start: number,
  segmentBytes: number,
): Promise<Pick<UnsentWal, "pages" | "isCut">> {
  const parts: Buffer[] = [];
  let position = start;
  while (position - start < maximumBytes) {
    const pages = await pagesOf(container, timeline, position, segmentBytes);
    parts.push(pages);
    position += pages.length;
    const rest = (segmentBytes - (position % segmentBytes)) % segmentBytes;
    if (pages.length === 0 || (rest > 0 && !mayEndWithSwitch(pages.subarray(-pageBytes))))
      return { pages: Buffer.concat(parts), isCut: false };
    parts.push(Buffer.alloc(rest));
    position += rest;
  }
  return { pages: Buffer.concat(parts), isCut: true };
}

/**
 * The highest timeline that the disk of a database knows of, from one on: it may have been promoted without anybody having
 * heard of it.
 */
async function highestOn(container: Docker.Container, timeline: number): Promise<number> {
  try {
    await container.infoArchive({ path: `${walFolder}/${historyName(timeline + 1)}` });
  } catch (error) {
    if (isStatus(error, 404)) return timeline;
    throw error;
  }
  return highestOn(container, timeline + 1);
}

/**
 * Asks a standby where its WAL ends. pg_control may follow a promotion elsewhere only at the next
 * restart point, the names of the segments tell before.
 */
async function endOf(standby: Queryable): Promise<End> {
  const { rows } = await standby.query<{ timeline: number; lsn: string; segment: number }>(
    `SELECT greatest(timeline_id, (SELECT max(('x' || substr(name, 1, 8))::bit(32)::int) FROM pg_ls_waldir()
         WHERE name ~ '^[0-9A-F]{24}$')) AS timeline,
       coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')::text AS lsn,
       pg_size_bytes(current_setting('wal_segment_size'))::int AS segment
     FROM pg_control_checkpoint()`,
  );
  const [row] = rows;
  if (!row) throw new Error("a standby does not say where its WAL ends");
  return { timeline: row.timeline, received: parseLsn(row.lsn), segmentBytes: row.segment };
}

/** Those that a database has from a position on in one segment; none where it has no such segment. */
async function pagesOf(
  container: Docker.Container,
  timeline: number,
  position: number,
  segmentBytes: number,
): Promise<Buffer> {
  const file = `${walFolder}/${segmentName(timeline, position, segmentBytes)}`;
  const written = new WrittenPages(position, segmentBytes);
  try {
    const exists = await readContainerBytes(container, file, (bytes) => written.add(bytes));
    return exists ? written.pages() : Buffer.alloc(0);
  } catch (error) {
    throw new Error(`${file}: ${messageOf(error)}`);
  }
}

/**
 * The same, read while the first look is still taken: writes wait. It counts as long as the database has not been started
 * meanwhile. Reads nothing from one that runs.
 */
export class EarlyUnsentWal {
  readonly #from: DatabaseName;
  readonly #context: ActionContext;
  readonly #read: Promise<UnsentWal | undefined>;

  constructor(from: DatabaseName, standby: Queryable, context: ActionContext) {
    this.#from = from;
    this.#context = context;
    // That nothing can be read is said by who needs it, and reads again.
    this.#read = this.#early(standby).catch(() => undefined);
  }

  /** What was read of a database that has been down since; undefined where it has to be read now. */
  async take(from: DatabaseName): Promise<UnsentWal | undefined> {
    if (from !== this.#from) return undefined;
    const [read, { State }] = await Promise.all([
      this.#read,
      lookAt(nodeOf(this.#context, this.#from)).inspect(),
    ]);
    return !State.Running && State.StartedAt === read?.containerStartedAt ? read : undefined;
  }

  async #early(standby: Queryable): Promise<UnsentWal | undefined> {
    const container = lookAt(nodeOf(this.#context, this.#from));
    // Both at once: the connection is about to be asked for much more.
    const [{ State }, end] = await Promise.all([container.inspect(), endOf(standby)]);
    return State.Running ? undefined : readFrom(this.#from, container, State.StartedAt, end);
  }
}
