import type { ClientBase } from "pg";
import { utc } from "../databases/columns.ts";
import type { Role } from "./roles.ts";
import type { Account, Token, TokenPlace } from "./schema.ts";

const columns = `id, name, role, enabled, ${utc("created_at", "createdAt")}, ${utc("updated_at", "updatedAt")},
  ${utc("password_changed_at", "passwordChangedAt")}`;
const tokenColumns = `id, name, ${utc("created_at", "createdAt")}, ${utc("expires_at", "expiresAt")}`;

/** What sign-in needs of an account. */
export interface Credential {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** Grows when every session of the account has to end. */
  readonly epoch: number;
  readonly passwordHash: string;
}

/** Creates an account; null if the name is taken. */
export async function insertAccount(
  client: ClientBase,
  account: { readonly id: string; readonly name: string; readonly role: Role; readonly passwordHash: string },
): Promise<Account | null> {
  const { rows } = await client.query<Account>(
    `insert into vault.accounts (id, name, role, password_hash) values ($1, $2, $3, $4)
     on conflict (name) do nothing returning ${columns}`,
    [account.id, account.name, account.role, account.passwordHash],
  );
  return rows[0] ?? null;
}

/** Takes note that the first administrator is made now; false if that was done before. */
export async function claimSetup(client: ClientBase, account: string): Promise<boolean> {
  const { rowCount } = await client.query(
    "insert into vault.setup (account) values ($1) on conflict (singleton) do nothing",
    [account],
  );
  return rowCount === 1;
}

export async function listAccounts(client: ClientBase): Promise<readonly Account[]> {
  return (await client.query<Account>(`select ${columns} from vault.accounts order by name limit 10000`))
    .rows;
}

/** Changes role or state. Sessions of the account end. */
export async function updateAccount(
  client: ClientBase,
  id: string,
  change: { readonly role?: Role | undefined; readonly enabled?: boolean | undefined },
): Promise<Account | null> {
  const { rows } = await client.query<Account>(
    `update vault.accounts set role = coalesce($2, role), enabled = coalesce($3, enabled),
       epoch = epoch + 1, updated_at = now() where id = $1 returning ${columns}`,
    [id, change.role ?? null, change.enabled ?? null],
  );
  return rows[0] ?? null;
}

/** Sets a password. Sessions of the account end. */
export async function setPassword(client: ClientBase, id: string, hash: string): Promise<Account | null> {
  const { rows } = await client.query<Account>(
    `update vault.accounts set password_hash = $2, epoch = epoch + 1, password_changed_at = now(),
       updated_at = now() where id = $1 returning ${columns}`,
    [id, hash],
  );
  return rows[0] ?? null;
}

export async function deleteAccount(client: ClientBase, id: string): Promise<Account | null> {
  const { rows } = await client.query<Account>(
    `delete from vault.accounts where id = $1 returning ${columns}`,
    [id],
  );
  return rows[0] ?? null;
}

const credentialColumns = `a.id, a.name, a.role, a.epoch, a.password_hash as "passwordHash"`;

export async function findCredential(
  client: ClientBase,
  by: { readonly name: string } | { readonly id: string },
): Promise<Credential | null> {
  const [column, value] = "name" in by ? ["name", by.name] : ["id", by.id];
  const { rows } = await client.query<Credential>(
    `select ${credentialColumns} from vault.accounts a where ${column} = $1 and enabled`,
    [value],
  );
  return rows[0] ?? null;
}

/** The account of a session, and whether that session was signed out. */
export async function findSessionAccount(
  client: ClientBase,
  account: string,
  session: string,
): Promise<(Credential & { readonly ended: boolean }) | null> {
  const { rows } = await client.query<Credential & { ended: boolean }>({
    name: "find-session",
    text: `select ${credentialColumns}, exists (select from vault.ended_sessions where id = $2) as ended
           from vault.accounts a where a.id = $1 and a.enabled`,
    values: [account, session],
  });
  return rows[0] ?? null;
}

export async function endSession(client: ClientBase, session: string): Promise<void> {
  await client.query("insert into vault.ended_sessions (id) values ($1) on conflict do nothing", [session]);
}

/** The account of a token that is valid now. */
export async function findTokenAccount(client: ClientBase, hash: Buffer): Promise<Credential | null> {
  const { rows } = await client.query<Credential>({
    name: "find-token",
    text: `select ${credentialColumns} from vault.tokens t join vault.accounts a on a.id = t.account
           where t.hash = $1 and a.enabled and (t.expires_at is null or t.expires_at > now())`,
    values: [hash],
  });
  return rows[0] ?? null;
}

export async function insertToken(
  client: ClientBase,
  token: {
    readonly id: string;
    readonly account: string;
    readonly name: string;
    readonly hash: Buffer;
    readonly days: number | null;
  },
): Promise<Token> {
  const { rows } = await client.query<Token>(
    `insert into vault.tokens (id, account, name, hash, expires_at)
     values ($1, $2, $3, $4, now() + make_interval(days => $5)) returning ${tokenColumns}`,
    [token.id, token.account, token.name, token.hash, token.days],
  );
  const row = rows[0];
  if (row === undefined) throw new Error("the insert returned no row");
  return row;
}

/** One page of an account's tokens, the oldest first, and where the next one begins; null on the last. */
export async function listTokens(
  client: ClientBase,
  account: string,
  limit: number,
  after: TokenPlace | undefined,
): Promise<{ readonly items: readonly Token[]; readonly next: TokenPlace | null }> {
  const { rows } = await client.query<Token & { readonly madeAt: string }>(
    `select ${tokenColumns}, to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "madeAt"
     from vault.tokens
     where account = $1 and ($2::timestamptz is null or (created_at, id) > ($2, $3::uuid))
     order by created_at, id limit $4`,
    [account, after?.[0] ?? null, after?.[1] ?? null, limit + 1],
  );
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(({ madeAt: _, ...token }) => token),
    next: rows.length > limit && last !== undefined ? [last.madeAt, last.id] : null,
  };
}

export async function deleteToken(client: ClientBase, id: string, account: string): Promise<Token | null> {
  const { rows } = await client.query<Token>(
    `delete from vault.tokens where id = $1 and account = $2 returning ${tokenColumns}`,
    [id, account],
  );
  return rows[0] ?? null;
}
