import { type Kysely, sql } from "kysely";

/**
 * The events of one actor, and those of one object, are found in their order without all the others. While it is made,
 * new events wait: about a second for each million.
 */
export async function auditFilters(db: Kysely<unknown>): Promise<void> {
  await sql`create index audit_events_by_actor on vault.audit_events (actor, at, server, sequence)`.execute(
    db,
  );
  await sql`
    create index audit_events_by_object on vault.audit_events (object, at, server, sequence)
      where object is not null`.execute(db);
}
