import type { ClientBase } from "pg";
import { type Cipher, DecryptionError, type Sealed } from "../crypto/cipher.ts";
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

/** A stored secret that cannot be opened, and why; it is left as it is. */
export interface DamagedSecret {
  readonly id: string;
  readonly problem: string;
}

/** How far the secrets are sealed again. */
export interface Reencryption {
  readonly reencrypted: number;
  /** Still sealed by another key, the damaged ones among them. */
  readonly remaining: number;
  /** Those that were met on the way; all of them once nothing else is left. */
  readonly damaged: readonly DamagedSecret[];
}

/**
 * Seals up to `batchSize` secrets again that another key than the current one seals. What they are does not change,
 * readers never wait, and a secret that is being changed at the moment is left for the next time. So is one that cannot
 * be opened, which stops none of the others: its key is needed as long as it is there.
 */
export async function reencrypt(client: ClientBase, cipher: Cipher): Promise<Reencryption> {
  await registerKey(client, cipher.keyId);
  const damaged: DamagedSecret[] = [];
  let reencrypted = 0;
  let after: string | null = null;
  // Past any number of damaged ones: a part that is nothing else must not be the end.
  do {
    const rows: readonly StoredSecret[] = await lockOthers(client, cipher.keyId, after);
    const sealed = rows.flatMap((row) => sealAgain(cipher, row, damaged));
    await storeSealed(client, cipher.keyId, sealed);
    reencrypted = sealed.length;
    after = rows.length === batchSize ? (rows.at(-1)?.id ?? null) : null;
  } while (reencrypted === 0 && after !== null);
  const left = await client.query<{ count: number }>(
    "select count(*)::int as count from vault.resources where secret_key_id <> $1",
    [cipher.keyId],
  );
  return { reencrypted, remaining: left.rows[0]?.count ?? 0, damaged };
}

type StoredSecret = Sealed & { readonly id: string };

async function lockOthers(
  client: ClientBase,
  keyId: string,
  after: string | null,
): Promise<readonly StoredSecret[]> {
  const { rows } = await client.query<StoredSecret>(
    `select id, secret_key_id as "keyId", secret_nonce as nonce, secret_ciphertext as ciphertext
     from vault.resources where secret_key_id <> $1 and ($2::uuid is null or id > $2)
     order by id limit $3 for update skip locked`,
    [keyId, after, batchSize],
  );
  return rows;
}

function sealAgain(cipher: Cipher, row: StoredSecret, damaged: DamagedSecret[]): readonly StoredSecret[] {
  try {
    return [{ id: row.id, ...cipher.seal(row.id, cipher.open(row.id, row)) }];
  } catch (error) {
    if (!(error instanceof DecryptionError)) throw error;
    damaged.push({ id: row.id, problem: error.message });
    return [];
  }
}

async function storeSealed(
  client: ClientBase,
  keyId: string,
  sealed: readonly StoredSecret[],
): Promise<void> {
  if (sealed.length === 0) return;
  await client.query(
    `update vault.resources r set secret_key_id = $1, secret_nonce = s.nonce, secret_ciphertext = s.ciphertext
     from unnest($2::uuid[], $3::bytea[], $4::bytea[]) as s (id, nonce, ciphertext) where r.id = s.id`,
    [
      keyId,
      sealed.map(({ id }) => id),
      sealed.map(({ nonce }) => nonce),
      sealed.map(({ ciphertext }) => ciphertext),
    ],
  );
}
