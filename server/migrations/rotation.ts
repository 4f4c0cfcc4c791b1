import { type Kysely, sql } from "kysely";

/** Resources can be changed, their secrets rotated, and sealed again under another key. */
export async function rotation(db: Kysely<unknown>, applicationRole: string): Promise<void> {
  const application = sql.id(applicationRole);
  await sql`
    alter table vault.resources
      add column rotated_at timestamptz not null default now(),
      add column rotate_every_days int check (rotate_every_days > 0)`.execute(db);
  await sql`update vault.resources set rotated_at = updated_at`.execute(db);
  await sql`create index resources_by_key on vault.resources (secret_key_id)`.execute(db);
  await sql`
    create index resources_to_rotate on vault.resources (rotated_at) where rotate_every_days is not null`.execute(
    db,
  );
  await sql`
    grant update (name, account, secret_key_id, secret_nonce, secret_ciphertext, updated_at, rotated_at,
                  rotate_every_days) on vault.resources to ${application}`.execute(db);
  await sql`grant insert on vault.encryption_keys to ${application}`.execute(db);
}
