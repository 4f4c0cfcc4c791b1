import type { ClientBase } from "pg";
import type { Sealed } from "../crypto/cipher.ts";
import type { ListQuery, Resource } from "./schema.ts";

/** Times leave the database as text, in one form whatever its settings are. */
const columns = `id, name, account,
  to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "createdAt",
  to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "updatedAt"`;

export async function insertResource(
  client: ClientBase,
  resource: { readonly id: string; readonly name: string; readonly account: string; readonly sealed: Sealed },
): Promise<Resource> {
  const { id, name, account, sealed } = resource;
  const { rows } = await client.query<Resource>({
    name: "insert-resource",
    text: `insert into vault.resources (id, name, account, secret_key_id, secret_nonce, secret_ciphertext)
           values ($1, $2, $3, $4, $5, $6) returning ${columns}`,
    values: [id, name, account, sealed.keyId, sealed.nonce, sealed.ciphertext],
  });
  const row = rows[0];
  if (row === undefined) throw new Error("the insert returned no row");
  return row;
}

/** One page in order of names, and whether there is more. */
export async function listResources(
  client: ClientBase,
  query: ListQuery,
): Promise<{ readonly items: readonly Resource[]; readonly more: boolean }> {
  const { rows } = await client.query<Resource>({
    name: "list-resources",
    text: `select ${columns} from vault.resources
           where ($1::text is null or name ilike $1) and ($2::text is null or (name, id) > ($2, $3::uuid))
           order by name, id limit $4`,
    values: [
      query.name === undefined ? null : `%${query.name.replace(/[\\%_]/g, "\\$&")}%`,
      query.after?.[0] ?? null,
      query.after?.[1] ?? null,
      query.limit + 1,
    ],
  });
  return { items: rows.slice(0, query.limit), more: rows.length > query.limit };
}

/** Deletes a resource with its secret. Returns what it was, null where there is none. */
export async function deleteResource(client: ClientBase, id: string): Promise<Resource | null> {
  const { rows } = await client.query<Resource>({
    name: "delete-resource",
    text: `delete from vault.resources where id = $1 returning ${columns}`,
    values: [id],
  });
  return rows[0] ?? null;
}

export async function findResource(client: ClientBase, id: string): Promise<Resource | null> {
  const { rows } = await client.query<Resource>({
    name: "find-resource",
    text: `select ${columns} from vault.resources where id = $1`,
    values: [id],
  });
  return rows[0] ?? null;
}

export async function findSealedSecret(client: ClientBase, id: string): Promise<Sealed | null> {
  const { rows } = await client.query<Sealed>({
    name: "find-secret",
    text: `select secret_key_id as "keyId", secret_nonce as nonce, secret_ciphertext as ciphertext
           from vault.resources where id = $1`,
    values: [id],
  });
  return rows[0] ?? null;
}
