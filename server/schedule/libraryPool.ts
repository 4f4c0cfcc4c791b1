import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const retryMs = 1000;

const nothing: pg.QueryResult = { command: "", rowCount: 0, oid: 0, fields: [], rows: [] };

type Connected = (error: Error | undefined, client: pg.PoolClient | undefined, release: () => void) => void;

/**
 * The connections that the job library works with, so that it outlives a lost database. Left alone it would end the
 * process then, by a rejection that nobody handles:
 * - when a statement of its timetable fails (https://github.com/graphile/worker/pull/544). Here such a statement is tried
 *   until it succeeds, or answers nothing once the work ends. To run it twice does no harm.
 * - when the connection that it listens on is lost while it is given back: it gives it back twice. Here the second time
 *   does nothing.
 *
 * @param ending aborted when the work ends.
 * @param onFailure told of each statement that is tried again.
 */
export function libraryPool(
  options: pg.PoolConfig,
  ending: AbortSignal,
  onFailure: (error: unknown) => void,
): pg.Pool {
  const pool = new pg.Pool(options);
  const query = pool.query.bind(pool) as (text: string, values?: unknown[]) => Promise<pg.QueryResult>;
  const connect = pool.connect.bind(pool);
  return Object.assign(pool, {
    query: async (text: string, values?: unknown[]): Promise<pg.QueryResult> => {
      while (!ending.aborted) {
        try {
          return await query(text, values);
        } catch (error) {
          if (ending.aborted) break;
          onFailure(error);
          await sleep(retryMs, undefined, { signal: ending }).catch(() => undefined); // aborted: the loop ends
        }
      }
      return nothing;
    },
    connect: (callback?: Connected) =>
      callback === undefined
        ? connect()
        : connect(once((error, client, release) => callback(error, client, once(release)))),
  });
}

/** The same function, that does nothing after the first time. */
function once<T extends unknown[]>(run: (...args: T) => void): (...args: T) => void {
  let isDone = false;
  return (...args) => {
    if (isDone) return;
    isDone = true;
    run(...args);
  };
}
