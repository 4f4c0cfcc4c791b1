import type Docker from "dockerode";
import { lsnDistance, parseLsn, renderLsn } from "../../core/lsn.ts";
import type { PostgresObservation } from "../../core/observation.ts";
import { pageOf, segmentBytes, segmentName, writtenPages } from "../../core/transition/unsentWal.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { readContainerBytes } from "../docker/container.ts";
import { messageOf } from "../observe/container.ts";
import { lookAt } from "../observe/index.ts";
import { connectDatabase, observePostgres } from "../observe/postgres.ts";
import { type ActionContext, nodeOf } from "./context.ts";

const walFolder = "/var/lib/postgresql/data/pg_wal";

/** How many segments are read at most: all of it is held in memory. A standby further behind gets the first of them. */
const maximumSegments = 16;

/** What a database that does not run has on its disk beyond what a standby has received. */
export interface UnsentWal {
  readonly from: DatabaseName;
  /** The standby had received, or replayed, up to here. */
  readonly receivedLsn: string;
  readonly timeline: number;
  /** Where the pages begin: with the page that `receivedLsn` is in. */
  readonly startLsn: string;
  readonly pages: Buffer;
  /** Whether there was more than is read at once. */
  readonly isCut: boolean;
  /** When the container had been started the last time; another one is started anew since. */
  readonly containerStartedAt: string;
}

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
 * @throws Error when the disk or the standby cannot be asked
 */
export async function readUnsentWal(
  from: DatabaseName,
  standby: DatabaseName,
  context: ActionContext,
): Promise<UnsentWal> {
  const container = lookAt(nodeOf(context, from));
  const [{ State }, { timeline, lsn, receivedLsn }] = await Promise.all([
    container.inspect(),
    askStandby(standby, context),
  ]);
  const received = Math.max(parseLsn(lsn), parseLsn(receivedLsn ?? "0/0"));
  const start = pageOf(received);
  const parts: Buffer[] = [];
  let position = start;
  while (parts.length < maximumSegments) {
    const pages = await pagesOf(container, timeline, position);
    parts.push(pages);
    position += pages.length;
    if (pages.length === 0 || position % segmentBytes !== 0) break;
  }
  return {
    from,
    receivedLsn: renderLsn(received),
    timeline,
    startLsn: renderLsn(start),
    pages: Buffer.concat(parts),
    isCut: parts.length === maximumSegments,
    containerStartedAt: State.StartedAt,
  };
}

async function pagesOf(container: Docker.Container, timeline: number, position: number): Promise<Buffer> {
  const file = `${walFolder}/${segmentName(timeline, position)}`;
  const segment = await readContainerBytes(container, file);
  try {
    return segment ? writtenPages(segment, position) : Buffer.alloc(0);
  } catch (error) {
    throw new Error(`${file}: ${messageOf(error)}`);
  }
}

async function askStandby(name: DatabaseName, context: ActionContext): Promise<PostgresObservation> {
  const client = await connectDatabase(nodeOf(context, name), context.operator);
  try {
    return await observePostgres(client);
  } finally {
    await client.end();
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

  constructor(from: DatabaseName, standby: DatabaseName, context: ActionContext) {
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

  async #early(standby: DatabaseName): Promise<UnsentWal | undefined> {
    const { State } = await lookAt(nodeOf(this.#context, this.#from)).inspect();
    return State.Running ? undefined : readUnsentWal(this.#from, standby, this.#context);
  }
}
