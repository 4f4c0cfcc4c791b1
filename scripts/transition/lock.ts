import { hostname, userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { isConnectionFailure } from "../../core/connectionFailure.ts";
import type { DatabaseNode, Topology } from "../../core/topology.ts";
import type { Goal } from "../../core/transition/step.ts";
import { type DatabaseName, transitionLockKey } from "../../core/vocabulary.ts";
import { messageOf } from "../observe/container.ts";
import { connectDatabase, type DatabaseAccess } from "../observe/postgres.ts";
import { type Queryable, SharedConnection } from "../observe/sharedConnection.ts";
import type { Silence } from "../observe/silence.ts";

/** How long a second driver waits for the first, in seconds. */
const patienceSeconds = 120;

/** Who runs this process, as evidence and lock name it. */
export function actor(): string {
  return `${userInfo().username}@${hostname()}`;
}

interface Held {
  readonly database: DatabaseNode;
  readonly client: pg.Client;
  /** The same connection, for whoever else has something to ask there. */
  readonly shared: SharedConnection;
  lost: boolean;
}

/**
 * The mutual exclusion of transitions: an advisory lock in every database that answers. It rests on nothing of
 * Pulumi's or of the operator's machine: it ends with the connection that holds it, however its owner dies, and it
 * outlives a promotion. A swap restarts one of the two databases, but never both at once, so the lock is held
 * throughout by at least one of them.
 */
export class TransitionLock {
  #held: readonly Held[];
  readonly #topology: Topology;
  readonly #access: DatabaseAccess;
  readonly #goal: Goal;
  readonly #silence: Silence;

  private constructor(
    topology: Topology,
    access: DatabaseAccess,
    goal: Goal,
    silence: Silence,
    held: readonly Held[],
  ) {
    this.#topology = topology;
    this.#access = access;
    this.#goal = goal;
    this.#silence = silence;
    this.#held = held;
  }

  /**
   * Takes the lock, waiting for at most two minutes while another transition holds it.
   *
   * @param silence databases that are not asked, because they did not answer a moment ago
   * @param onWait is told, once for each, who holds it
   * @throws Error when it is still held then, or when no database answers at all
   */
  static async take(
    topology: Topology,
    access: DatabaseAccess,
    goal: Goal,
    silence: Silence,
    onWait: (holder: string) => void,
  ): Promise<TransitionLock> {
    const deadline = Date.now() + patienceSeconds * 1000;
    let told = "";
    while (true) {
      const attempt = await tryAll(topology.databases, access, goal, silence);
      if ("held" in attempt) {
        if (attempt.held.length > 0) return new TransitionLock(topology, access, goal, silence, attempt.held);
        throw new Error(
          `no database answers, so nothing can be done from here: ${attempt.silent.join("; ")}`,
        );
      }
      if (attempt.holder !== told) {
        told = attempt.holder;
        onWait(told);
      }
      if (Date.now() > deadline)
        throw new Error(
          `another transition is running: ${told}. Wait until it ends, or end that process; its lock goes with its connection.`,
        );
      await sleep(500);
    }
  }

  /**
   * Makes sure, before a step, that the lock is held in every database that answers now: one that was started meanwhile
   * is taken too, so that a step that restarts the other one does not leave the transition without a lock.
   *
   * @throws Error when no database holds it for this process any more, or somebody else has it: they may act now
   */
  async renew(): Promise<void> {
    const alive = await Promise.all(this.#held.map((entry) => isAlive(entry)));
    const kept = this.#held.filter((_entry, index) => alive[index]);
    if (kept.length === 0)
      throw new Error(
        "the transition's lock was lost: every connection that held it broke. Run it again: it goes on from what it finds.",
      );
    const missing = this.#topology.databases.filter(
      ({ name }) => !kept.some(({ database }) => database.name === name),
    );
    const attempt = await tryAll(missing, this.#access, this.#goal, this.#silence);
    if ("holder" in attempt) throw new Error(`another transition has taken the lock: ${attempt.holder}`);
    this.#held = [...kept, ...attempt.held];
  }

  /** The connection that holds the lock in a database; undefined where none does. */
  connectionTo(name: DatabaseName): Queryable | undefined {
    return this.#held.find(({ database, lost }) => database.name === name && !lost)?.shared;
  }

  async release(): Promise<void> {
    await Promise.all(this.#held.map(({ client }) => client.end().catch(() => undefined)));
  }
}

/** Whether the connection that holds a lock still stands. */
async function isAlive({ shared, lost }: Held): Promise<boolean> {
  if (lost) return false;
  try {
    await shared.query("SELECT 1");
    return true;
  } catch {
    // A database that was restarted by a step has let go; the caller counts who still holds.
    return false;
  }
}

type Attempt = { readonly held: Held[]; readonly silent: readonly string[] } | { readonly holder: string };

/**
 * Takes the lock everywhere or nowhere. The databases are connected to at once, and asked in one order, so that two
 * drivers never cross.
 */
async function tryAll(
  databases: readonly DatabaseNode[],
  access: DatabaseAccess,
  goal: Goal,
  silence: Silence,
): Promise<Attempt> {
  const attempts = await Promise.allSettled(
    databases.map((database) => silence.ask(database.node, () => connect(database, access))),
  );
  const connected = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
  const silent = attempts.flatMap((attempt, index) =>
    attempt.status === "rejected" ? [`${databases[index]?.name}: ${messageOf(attempt.reason)}`] : [],
  );
  const name = `pg-continuity ${goal.transition} ${goal.transitionId.slice(0, 20)} ${actor()}`.slice(0, 63);
  const held: Held[] = [];
  for (const entry of connected) {
    try {
      const holder = await tryOn(entry, name);
      if (holder === undefined) {
        held.push(entry);
        continue;
      }
      await Promise.all(connected.map(({ client }) => client.end()));
      return { holder: `${holder} (on ${entry.database.name})` };
    } catch (error) {
      // It ends just now, as by a step that goes on after its driver was killed: like one that does not answer.
      if (!isConnectionFailure(error)) throw error;
      // Not waited for, it may hang; and it must not get the lock later.
      void entry.client.end().catch(() => undefined);
      silent.push(`${entry.database.name}: ${messageOf(error)}`);
    }
  }
  return { held, silent };
}

/** Takes the lock in one database; who holds it where it is taken. */
async function tryOn({ client }: Held, name: string): Promise<string | undefined> {
  await client.query("SELECT set_config('application_name', $1, false)", [name]);
  const { rows } = await client.query<{ taken: boolean }>("SELECT pg_try_advisory_lock($1) AS taken", [
    transitionLockKey,
  ]);
  return rows[0]?.taken ? undefined : holderOf(client);
}

async function connect(database: DatabaseNode, access: DatabaseAccess): Promise<Held> {
  const client = await connectDatabase(database, access);
  const entry: Held = { database, client, shared: new SharedConnection(client), lost: false };
  entry.client.on("end", () => {
    entry.lost = true;
  });
  return entry;
}

async function holderOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ application_name: string; since: Date }>(
    `SELECT a.application_name, a.backend_start AS since FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND l.objid = $1 AND l.granted`,
    [transitionLockKey],
  );
  const row = rows[0];
  return row ? `${row.application_name}, since ${row.since.toISOString()}` : "unknown";
}
