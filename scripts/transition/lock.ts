import { hostname, userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { DatabaseNode, Topology } from "../../core/topology.ts";
import type { Goal } from "../../core/transition/step.ts";
import { transitionLockKey } from "../../core/vocabulary.ts";
import { messageOf } from "../observe/container.ts";
import { connectDatabase, type DatabaseAccess } from "../observe/postgres.ts";

/** Who runs this process, as evidence and lock name it. */
export function actor(): string {
  return `${userInfo().username}@${hostname()}`;
}

interface Held {
  readonly database: DatabaseNode;
  readonly client: pg.Client;
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

  private constructor(topology: Topology, access: DatabaseAccess, goal: Goal, held: readonly Held[]) {
    this.#topology = topology;
    this.#access = access;
    this.#goal = goal;
    this.#held = held;
  }

  /**
   * Takes the lock, waiting while another transition holds it.
   *
   * @param onWait is told, once for each, who holds it
   * @throws Error when it is still held after `seconds`, or when no database answers at all
   */
  static async take(
    topology: Topology,
    access: DatabaseAccess,
    goal: Goal,
    seconds: number,
    onWait: (holder: string) => void,
  ): Promise<TransitionLock> {
    const deadline = Date.now() + seconds * 1000;
    let told = "";
    while (true) {
      const attempt = await tryAll(topology.databases, access, goal);
      if ("held" in attempt) {
        if (attempt.held.length > 0) return new TransitionLock(topology, access, goal, attempt.held);
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
    const attempt = await tryAll(missing, this.#access, this.#goal);
    if ("holder" in attempt) throw new Error(`another transition has taken the lock: ${attempt.holder}`);
    this.#held = [...kept, ...attempt.held];
  }

  async release(): Promise<void> {
    await Promise.all(this.#held.map(({ client }) => client.end().catch(() => undefined)));
  }
}

/** Whether the connection that holds a lock still stands. */
async function isAlive({ client, lost }: Held): Promise<boolean> {
  if (lost) return false;
  try {
    await client.query("SELECT 1");
    return true;
  } catch {
    // A database that was restarted by a step has let go; the caller counts who still holds.
    return false;
  }
}

type Attempt = { readonly held: Held[]; readonly silent: readonly string[] } | { readonly holder: string };

/** Takes the lock everywhere or nowhere. The databases are asked in one order, so that two drivers never cross. */
async function tryAll(
  databases: readonly DatabaseNode[],
  access: DatabaseAccess,
  goal: Goal,
): Promise<Attempt> {
  const held: Held[] = [];
  const silent: string[] = [];
  for (const database of databases) {
    let client: pg.Client;
    try {
      client = await connectDatabase(database, access);
    } catch (error) {
      silent.push(`${database.name}: ${messageOf(error)}`);
      continue;
    }
    const entry: Held = { database, client, lost: false };
    client.on("end", () => {
      entry.lost = true;
    });
    held.push(entry);
    await client.query("SELECT set_config('application_name', $1, false)", [
      `pg-continuity ${goal.transition} ${goal.transitionId.slice(0, 20)} ${actor()}`.slice(0, 63),
    ]);
    const { rows } = await client.query<{ taken: boolean }>("SELECT pg_try_advisory_lock($1) AS taken", [
      transitionLockKey,
    ]);
    if (rows[0]?.taken) continue;
    const holder = await holderOf(client);
    await Promise.all(held.map(({ client: other }) => other.end()));
    return { holder: `${holder} (on ${database.name})` };
  }
  return { held, silent };
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
