import type { ClientBase } from "pg";
import type { Cipher, Sealed } from "../crypto/cipher.ts";
import { utc } from "../databases/columns.ts";

/** How many secrets are sealed again in one transaction. */
export const batchSize = 500;

/** One key that the database knows, and how many secrets it seals. */
export interface KeyUse {
  readonly fingerprint: string;
  readonly createdAt: string;
  readonly resources: number;
}

export async function listKeys(client: ClientBase): Promise<readonly KeyUse[]> {
  const { rows } = await client.query<KeyUse>(
    `select fingerprint, ${utc("created_at", "createdAt")},
            (select count(*)::int from vault.resources where secret_key_id = fingerprint) as resources
     from vault.encryption_keys order by created_at, fingerprint`,
  );
  return rows;
}

/** Makes a key known to the database, so that secrets can be sealed with it. */
export async function registerKey(client: ClientBase, fingerprint: string): Promise<void> {
  await client.query("insert into vault.encryption_keys (fingerprint) values ($1) on conflict do nothing", [
    fingerprint,
  ]);
}

/**
 * Seals up to `batchSize` secrets again that another key than the current one seals. What they are does not change,
 * readers never wait, and a secret that is being changed at the moment is left for the next time.
 *
 * @returns how many were sealed again, and how many are left.
 */
export async function reencrypt(
  client: ClientBase,
  cipher: Cipher,
): Promise<{ readonly reencrypted: number; readonly remaining: number }> {
  await registerKey(client, cipher.keyId);
  const { rows } = await client.query<Sealed & { id: string }>(
    `select id, secret_key_id as "keyId", secret_nonce as nonce, secret_ciphertext as ciphertext
     from vault.resources where secret_key_id <> $1 limit $2 for update skip locked`,
    [cipher.keyId, batchSize],
  );
  const sealed = rows.map((row) => ({ id: row.id, ...cipher.seal(row.id, cipher.open(row.id, row)) }));
  await client.query(
    `update vault.resources r set secret_key_id = $1, secret_nonce = s.nonce, secret_ciphertext = s.ciphertext
     from unnest($2::uuid[], $3::bytea[], $4::bytea[]) as s (id, nonce, ciphertext) where r.id = s.id`,
    [
      cipher.keyId,
      sealed.map(({ id }) => id),
      sealed.map(({ nonce }) => nonce),
      sealed.map(({ ciphertext }) => ciphertext),
    ],
  );
  const left = await client.query<{ count: number }>(
    "select count(*)::int as count from vault.resources where secret_key_id <> $1",
    [cipher.keyId],
  );
  return { reencrypted: rows.length, remaining: left.rows[0]?.count ?? 0 };
}
