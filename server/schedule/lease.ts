import type { ClientBase } from "pg";

/** Whoever has not renewed the lease for so long has lost it. */
export const leaseSeconds = 6;
/** How often it is renewed, and asked for by the others: it moves within 6 + 2 seconds. */
export const leaseIntervalMs = 2000;

export interface Lease {
  readonly holder: string;
  readonly server: string;
  readonly since: string;
}

/** What there is a lease for. */
export type LeaseName = "schedule" | "alerts";

/**
 * Takes or renews a lease, by the database's clock.
 *
 * @param holder unique to this process: a server that was started again is another one.
 * @returns `taken` when it was somebody else's before, `renewed`, or `other` while somebody else holds it.
 */
export async function takeLease(
  client: ClientBase,
  name: LeaseName,
  holder: string,
  server: string,
): Promise<"taken" | "renewed" | "other"> {
  const { rows } = await client.query<{ renewed: boolean }>(
    `with before as (select holder from vault.leases where name = $4)
     insert into vault.leases as l (name, holder, server, expires_at)
     values ($4, $1, $2, now() + make_interval(secs => $3))
     on conflict (name) do update
       set holder = $1, server = $2, expires_at = now() + make_interval(secs => $3),
           since = case when l.holder = $1 then l.since else now() end
       where l.holder = $1 or l.expires_at < now()
     returning coalesce((select holder = $1 from before), false) as renewed`,
    [holder, server, leaseSeconds, name],
  );
  const [row] = rows;
  return row === undefined ? "other" : row.renewed ? "renewed" : "taken";
}

/** Gives the lease up at once, for an orderly end. */
export async function dropLease(client: ClientBase, holder: string): Promise<void> {
  await client.query("update vault.leases set expires_at = now() - interval '1 second' where holder = $1", [
    holder,
  ]);
}

/** Who runs scheduled work now; null if nobody does. */
export async function findLease(client: ClientBase): Promise<Lease | null> {
  const { rows } = await client.query<Lease>(
    `select holder, server, to_char(since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as since
     from vault.leases where name = 'schedule' and expires_at >= now()`,
  );
  return rows[0] ?? null;
}
