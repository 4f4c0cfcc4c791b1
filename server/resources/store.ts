import type { ClientBase } from "pg";
import type { Sealed } from "../crypto/cipher.ts";
import { utc } from "../databases/columns.ts";
import type { ListQuery, Resource, UpdateResource } from "./schema.ts";

const columns = `id, name, account, ${utc("created_at", "createdAt")}, ${utc("updated_at", "updatedAt")},
  ${utc("rotated_at", "rotatedAt")}, rotate_every_days as "rotateEveryDays"`;

/** Of a resource whose secret is older than it may be. */
export const dueCondition =
  "rotate_every_days is not null and rotated_at + make_interval(days => rotate_every_days) < now()";

export const insertStatement = `insert into vault.resources (id, name, account, rotate_every_days, secret_key_id,
  secret_nonce, secret_ciphertext) values ($1, $2, $3, $4, $5, $6, $7) returning ${columns}`;

export async function insertResource(
  client: ClientBase,
  resource: {
    readonly id: string;
    readonly name: string;
    readonly account: string;
    readonly rotateEveryDays: number | null;
    readonly sealed: Sealed;
  },
): Promise<Resource> {
  const { id, name, account, rotateEveryDays, sealed } = resource;
  const { rows } = await client.query<Resource>({
    name: "insert-resource",
    text: insertStatement,
    values: [id, name, account, rotateEveryDays, sealed.keyId, sealed.nonce, sealed.ciphertext],
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
             and ($5::text is null or name ilike $5 or account ilike $5)
             and ($6::boolean is null or $6 = (${dueCondition}))
           order by name, id limit $4`,
    values: [
      containing(query.name),
      query.after?.[0] ?? null,
      query.after?.[1] ?? null,
      query.limit + 1,
      containing(query.search),
      query.due === undefined ? null : query.due === "true",
    ],
  });
  return { items: rows.slice(0, query.limit), more: rows.length > query.limit };
}

/** The pattern for ILIKE that finds `part` anywhere, taken literally. */
function containing(part: string | undefined): string | null {
  return part === undefined ? null : `%${part.replace(/[\\%_]/g, "\\$&")}%`;
}

/** Changes what is not secret. Returns null where there is none. */
export async function updateResource(
  client: ClientBase,
  id: string,
  change: UpdateResource,
): Promise<Resource | null> {
  const { rows } = await client.query<Resource>({
    name: "update-resource",
    text: `update vault.resources set name = coalesce($2, name), account = coalesce($3, account),
             rotate_every_days = case when $4 then $5::int else rotate_every_days end, updated_at = now()
           where id = $1 returning ${columns}`,
    values: [
      id,
      change.name ?? null,
      change.account ?? null,
      change.rotateEveryDays !== undefined,
      change.rotateEveryDays ?? null,
    ],
  });
  return rows[0] ?? null;
}

/** Replaces the secret. Returns null where there is none. */
export async function rotateSecret(client: ClientBase, id: string, sealed: Sealed): Promise<Resource | null> {
  const { rows } = await client.query<Resource>({
    name: "rotate-secret",
    text: `update vault.resources set secret_key_id = $2, secret_nonce = $3, secret_ciphertext = $4,
             rotated_at = now(), updated_at = now() where id = $1 returning ${columns}`,
    values: [id, sealed.keyId, sealed.nonce, sealed.ciphertext],
  });
  return rows[0] ?? null;
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

export async function findSealedSecret(
  client: ClientBase,
  id: string,
): Promise<(Sealed & { readonly name: string }) | null> {
  const { rows } = await client.query<Sealed & { readonly name: string }>({
    name: "find-secret",
    text: `select name, secret_key_id as "keyId", secret_nonce as nonce, secret_ciphertext as ciphertext
           from vault.resources where id = $1`,
    values: [id],
  });
  return rows[0] ?? null;
}
