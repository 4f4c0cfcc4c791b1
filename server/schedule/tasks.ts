import type { PoolClient } from "pg";
import { requestBackup } from "../../core/backups/statements.ts";
import type { Cipher } from "../crypto/cipher.ts";
import type { Cluster } from "../databases/cluster.ts";
import { databaseRole } from "../databases/view.ts";
import { type Reencryption, reencrypt } from "../resources/keys.ts";
import { dueCondition } from "../resources/store.ts";

/** What a task works with. Its statements run on the writable database. */
export interface TaskContext {
  readonly client: PoolClient;
  readonly cluster: Cluster;
  readonly cipher: Cipher;
  readonly server: string;
  readonly auditRetentionDays: number;
}

/** One kind of scheduled work. To do it twice must do no harm: a server may die in the middle. */
export interface Task {
  /** Minute, hour, day, month, weekday; UTC. */
  readonly schedule: string;
  readonly summary: string;
  /** @returns what the audit says of the run. No secret. */
  readonly run: (context: TaskContext) => Promise<Readonly<Record<string, unknown>>>;
}

const keysKeptHours = 24;
const samplesKeptDays = 7;
const namedAtMost = 20;
const removedAtOnce = 10_000;

export const tasks = {
  "rotation-reminder": {
    schedule: "0 7 * * *",
    summary: "Name the resources whose secret is due for rotation",
    run: async ({ client }) => {
      const { rows } = await client.query<{ id: string; name: string; count: number }>(
        `select id, name, count(*) over ()::int as count from vault.resources where ${dueCondition}
         order by rotated_at limit ${namedAtMost}`,
      );
      return { due: rows[0]?.count ?? 0, longest: rows.map(({ id, name }) => ({ id, name })) };
    },
  },
  "audit-retention": {
    schedule: "10 3 * * *",
    summary: "Remove audit events that are older than they are kept",
    run: async ({ client, auditRetentionDays }) => {
      const prune = async (): Promise<number> => {
        const { rows } = await client.query<{ removed: string }>(
          "select vault.prune_audit(now() - make_interval(days => $1)) as removed",
          [auditRetentionDays],
        );
        return Number(rows[0]?.removed ?? 0);
      };
      let removed = 0;
      for (let part = await prune(); part > 0; part = await prune()) removed += part;
      return { removed, keptDays: auditRetentionDays };
    },
  },
  "health-sample": {
    schedule: "* * * * *",
    summary: "Take note of what the databases are",
    run: async ({ client, cluster, server }) => {
      const databases = cluster.state.views.map((view) => ({
        database: view.name,
        reachable: view.reachable,
        role: databaseRole(view),
        timeline: view.timeline,
      }));
      await client.query(
        "insert into vault.health_samples (server, sample) values ($1, $2) on conflict (at) do nothing",
        [server, JSON.stringify({ databases })],
      );
      return { databases: databases.map(({ database, role }) => `${database}: ${role}`) };
    },
  },
  "re-encryption": {
    schedule: "*/5 * * * *",
    summary: "Seal secrets again that an older key seals",
    run: async ({ client, cipher }) => {
      let total = 0;
      let part: Reencryption;
      do {
        part = await inTransaction(client, () => reencrypt(client, cipher));
        total += part.reencrypted;
      } while (part.reencrypted > 0 && part.remaining > 0);
      const { remaining, damaged } = part;
      if (damaged.length > 0) throw new Error(damagedText(total, damaged));
      return { reencrypted: total, remaining };
    },
  },
  backup: {
    schedule: "0 2 * * *",
    summary: "Ask for a backup, unless one is under way; by the schedule of the setting backups",
    run: async ({ client, server }) => {
      const { rows } = await client.query<{ id: number }>(requestBackup, [`schedule (${server} server)`]);
      const [request] = rows;
      return request === undefined
        ? { requested: false, reason: "one is under way" }
        : { requested: request.id };
    },
  },
  "clean-up": {
    schedule: "23 * * * *",
    summary: "Remove idempotency keys, ended sessions and samples that nobody needs any more",
    run: async ({ client }) => {
      const remove = (table: string, time: string, kept: string) =>
        removeAll(client, `vault.${table}`, `${time} < now() - interval '${kept}'`);
      return {
        idempotencyKeys: await remove("idempotency_keys", "created_at", `${keysKeptHours} hours`),
        endedSessions: await remove("ended_sessions", "ended_at", "1 day"),
        healthSamples: await remove("health_samples", "at", `${samplesKeptDays} days`),
      };
    },
  },
} as const satisfies Readonly<Record<string, Task>>;

export type TaskName = keyof typeof tasks;
export const taskNames = Object.keys(tasks) as [TaskName, ...TaskName[]];

/** The tasks of a deployment: backups only where they are made, and when its settings say. */
export function tasksWith(
  backups: { readonly schedule: string } | undefined,
): readonly (readonly [name: TaskName, task: Task])[] {
  const { backup, ...others } = tasks;
  return [
    ...Object.entries<Task>(others).map(([name, task]) => [name as TaskName, task] as const),
    ...(backups === undefined ? [] : [["backup", { ...backup, schedule: backups.schedule }] as const]),
  ];
}

/** The failure of a re-encryption that has sealed all it could. Names at most a few: the rest is asked for. */
function damagedText(total: number, damaged: Reencryption["damaged"]): string {
  const named = damaged.slice(0, namedAtMost).map(({ id }) => id);
  const more = damaged.length > named.length ? ` and ${damaged.length - named.length} more` : "";
  return (
    `${damaged.length} secrets cannot be opened and keep their older key: ${named.join(", ")}${more}. ` +
    `${total} others were sealed again. Replace their secrets, or delete them; until then the older key has to stay.`
  );
}

/** Removes rows some at a time: of all at once a statement could take longer than it may, and never come to an end. */
async function removeAll(client: PoolClient, table: string, condition: string): Promise<number> {
  const statement = `delete from ${table}
    where ctid = any(array(select ctid from ${table} where ${condition} limit ${removedAtOnce})) and ${condition}`;
  let removed = 0;
  for (let part = removedAtOnce; part === removedAtOnce; removed += part)
    part = (await client.query(statement)).rowCount ?? 0;
  return removed;
}

async function inTransaction<T>(client: PoolClient, work: () => Promise<T>): Promise<T> {
  await client.query("begin");
  try {
    const value = await work();
    await client.query("commit");
    return value;
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}
