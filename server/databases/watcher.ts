import type { Socket } from "node:net";
import pg from "pg";
import { type Attempt, type Loss, lossAfter } from "../../core/causes/index.ts";
import { errorCode } from "../../core/connectionFailure.ts";
import { type ConnectionSettings, clientOptions } from "./connection.ts";
import {
  type DatabaseDetail,
  type DetailRow,
  detailOf,
  detailSql,
  mayAskObservationSql,
  observationFunction,
} from "./detail.ts";
import type { Refusals } from "./refusals.ts";
import {
  type DatabaseView,
  mayAskReceivedTimelineSql,
  type ObservedRow,
  observeSql,
  receivedTimelineFunction,
  unreachable,
  viewOf,
} from "./view.ts";

/** Between two looks at more than the choice needs. */
const detailIntervalMs = 1000;

/** How often a database is looked at. */
export interface WatchPace {
  /** Milliseconds between two looks, decided anew for each: over the connection that is there, or by a new one. */
  readonly intervalMs: (isConnected: boolean) => number;
}

/**
 * Looks at one database again and again over one connection of its own, and reports each view.
 * One attempt at a time; each ends within the connect time-out, also when the host went silent.
 */
export class DatabaseWatcher {
  readonly #settings: ConnectionSettings;
  readonly #pace: WatchPace;
  readonly #report: (view: DatabaseView) => Promise<void>;
  readonly #reportDetail: (detail: DatabaseDetail | Error) => void;
  readonly #refusals: Refusals;
  readonly #sockets = new Set<Socket>();
  #client: pg.Client | null = null;
  #loss: Loss = "other";
  /** Whether the host took the newest connection. */
  #isTaken = false;
  #sql = observeSql("null");
  #detailSql = detailSql("null");
  #detailDueAt = 0;
  #stopped = false;
  #lookAgain = false;
  #wake: (() => void) | null = null;
  #loop: Promise<void> | null = null;

  /**
   * @param report awaited before the next look; must not throw.
   * @param reportDetail called about once a second while the database answers; must not throw.
   */
  constructor(
    settings: ConnectionSettings,
    pace: WatchPace,
    report: (view: DatabaseView) => Promise<void>,
    reportDetail: (detail: DatabaseDetail | Error) => void,
    refusals: Refusals,
  ) {
    this.#settings = settings;
    this.#pace = pace;
    this.#report = report;
    this.#reportDetail = reportDetail;
    this.#refusals = refusals;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Looks again at once, or once more after the look that is under way. */
  lookNow(): void {
    this.#lookAgain = true;
    this.#wake?.();
  }

  /** Ends the watching; resolves when nothing of it is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    this.#cut();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#lookAgain = false;
      const view = await this.#look();
      if (this.#stopped) break;
      await this.#report(view);
      if (view.reachable && Date.now() >= this.#detailDueAt) await this.#lookAtDetail();
      if (!this.#lookAgain) await this.#sleep(this.#pace.intervalMs(this.#client !== null));
    }
    this.#cut();
  }

  async #look(): Promise<DatabaseView> {
    const hadConnection = this.#client !== null;
    try {
      return await this.#observe();
    } catch (error) {
      this.#cut();
      // A connection that was ended says nothing about the database yet; one that is silent does.
      const silent = error instanceof Error && /timeout/i.test(error.message);
      if (hadConnection && silent) return this.#lose(error, "silent");
      if (!hadConnection || this.#stopped) return this.#lose(error);
    }
    try {
      return await this.#observe();
    } catch (error) {
      this.#cut();
      return this.#lose(error);
    }
  }

  #lose(error: unknown, attempt: Attempt = this.#attempt(error)): DatabaseView {
    this.#loss = lossAfter(this.#loss, attempt);
    return unreachable(this.#settings.target.name, messageOf(error), Date.now(), this.#loss);
  }

  #attempt(error: unknown): Attempt {
    return this.#isTaken || errorCode(error) === "ECONNREFUSED" ? "taken" : "untaken";
  }

  async #observe(): Promise<DatabaseView> {
    const client = this.#client ?? (await this.#connect());
    const result = await client.query<ObservedRow>(
      // A look that takes longer than a connection attempt is as good as none.
      Object.assign(
        { text: this.#sql, name: "observe" },
        { query_timeout: this.#settings.connectTimeoutSeconds * 1000 },
      ),
    );
    const row = result.rows[0];
    if (row === undefined) throw new Error("the database answered no row");
    this.#loss = "none";
    return viewOf(this.#settings.target.name, row, Date.now());
  }

  /** Its failure decides nothing: the next look says what became of the database. */
  async #lookAtDetail(): Promise<void> {
    const client = this.#client;
    if (client === null) return;
    this.#detailDueAt = Date.now() + detailIntervalMs;
    try {
      const { rows } = await client.query<DetailRow>(
        Object.assign(
          { text: this.#detailSql, name: "detail" },
          { query_timeout: this.#settings.connectTimeoutSeconds * 1000 },
        ),
      );
      const [row] = rows;
      if (row !== undefined && !this.#stopped)
        this.#reportDetail(detailOf(this.#settings.target.name, row, Date.now()));
    } catch (error) {
      if (this.#stopped) return;
      this.#reportDetail(error instanceof Error ? error : new Error(String(error)));
      this.lookNow();
    }
  }

  async #connect(): Promise<pg.Client> {
    this.#isTaken = false;
    const taken = (): void => {
      this.#isTaken = true;
    };
    const client = new pg.Client(clientOptions(this.#settings, this.#sockets, taken));
    // The server closing this connection is news: look again at once.
    client.on("error", () => this.#lost(client));
    client.on("end", () => this.#lost(client));
    const { target, user } = this.#settings;
    try {
      await client.connect();
    } catch (error) {
      this.#refusals.failed(target.name, user, error);
      throw error;
    }
    this.#refusals.accepted(target.name, user);
    const may = await client.query<{ timeline: boolean | null; observation: boolean | null }>(
      `select (${mayAskReceivedTimelineSql}) as timeline, (${mayAskObservationSql}) as observation`,
    );
    this.#sql = observeSql(may.rows[0]?.timeline === true ? receivedTimelineFunction : "null");
    this.#detailSql = detailSql(may.rows[0]?.observation === true ? observationFunction : "null");
    this.#detailDueAt = 0;
    this.#client = client;
    return client;
  }

  #lost(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = null;
    if (!this.#stopped) this.lookNow();
  }

  #cut(): void {
    this.#client = null;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.#wake = done;
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
