import { type Kysely, sql } from "kysely";

/** Names that people give to servers. What a server is called in the config stays as it is. */
export async function serverNames(db: Kysely<unknown>, applicationRole: string): Promise<void> {
  await sql`
    create table vault.server_names (
      server text primary key,
      display_name text not null,
      changed_at timestamptz not null default now()
    )`.execute(db);
  await sql`grant select, insert, update on vault.server_names to ${sql.id(applicationRole)}`.execute(db);
}
