import type { PoolClient } from "pg";
import type { Cipher } from "../crypto/cipher.ts";
import type { Cluster } from "../databases/cluster.ts";
import { databaseRole } from "../databases/view.ts";
import { reencrypt } from "../resources/keys.ts";
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
      const { rows } = await client.query<{ removed: string }>(
        "select vault.prune_audit(now() - make_interval(days => $1)) as removed",
        [auditRetentionDays],
      );
      return { removed: Number(rows[0]?.removed ?? 0), keptDays: auditRetentionDays };
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
      let part: { readonly reencrypted: number; readonly remaining: number };
      do {
        part = await inTransaction(client, () => reencrypt(client, cipher));
        total += part.reencrypted;
      } while (part.reencrypted > 0 && part.remaining > 0);
      return { reencrypted: total, remaining: part.remaining };
    },
  },
  "clean-up": {
    schedule: "23 * * * *",
    summary: "Remove idempotency keys, ended sessions and samples that nobody needs any more",
    run: async ({ client }) => {
      const remove = async (statement: string) => (await client.query(statement)).rowCount ?? 0;
      return {
        idempotencyKeys: await remove(
          `delete from vault.idempotency_keys where created_at < now() - interval '${keysKeptHours} hours'`,
        ),
        endedSessions: await remove(
          "delete from vault.ended_sessions where ended_at < now() - interval '1 day'",
        ),
        healthSamples: await remove(
          `delete from vault.health_samples where at < now() - interval '${samplesKeptDays} days'`,
        ),
      };
    },
  },
} as const satisfies Readonly<Record<string, Task>>;

export type TaskName = keyof typeof tasks;
export const taskNames = Object.keys(tasks) as [TaskName, ...TaskName[]];

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
