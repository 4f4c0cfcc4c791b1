import type { ClientBase } from "pg";
import { utc } from "../databases/columns.ts";
import type { AuditEvent } from "./event.ts";

const columns =
  "server, sequence, id, at, kind, operation, outcome, actor, actor_id, object, object_name, address, details";

/**
 * Text as PostgreSQL can hold it: anything but NUL and half characters, which a path may contain. Otherwise the event of
 * a request that was refused could never be stored, and everything after it would wait on the disk.
 */
function storable(value: unknown): unknown {
  return typeof value === "string" ? value.replace(/\0|\p{Cs}/gu, "\ufffd") : value;
}

const storableJson = (value: unknown): string => JSON.stringify(value, (_key, entry) => storable(entry));

/** One event's values, in the order of `auditColumns`; used by the write that it tells of, in its transaction. */
export function auditValues(event: AuditEvent): readonly unknown[] {
  return [
    event.server,
    event.sequence,
    event.id,
    event.at,
    event.kind,
    event.operation,
    event.outcome,
    event.actor,
    event.actorId,
    event.object,
    event.objectName,
    event.address,
    storableJson(event.details),
  ].map(storable);
}
export const auditColumns = columns;

/**
 * Adds events that are not there yet: the same server and number is the same event.
 *
 * @throws when a number is taken by another event: two servers have one name, or a state volume was lost.
 */
export async function insertEvents(client: ClientBase, events: readonly AuditEvent[]): Promise<void> {
  const rows = events.map(({ actorId, objectName, ...event }) => ({
    ...event,
    actor_id: actorId,
    object_name: objectName,
  }));
  const json = storableJson(rows);
  const { rowCount } = await client.query({
    name: "insert-audit",
    text: `insert into vault.audit_events (${columns})
           select ${columns} from json_to_recordset($1) as e (server text, sequence bigint, id uuid, at timestamptz,
             kind text, operation text, outcome text, actor text, actor_id text, object text, object_name text,
             address text, details json)
           on conflict (server, sequence) do nothing`,
    values: [json],
  });
  if (rowCount === events.length) return;
  const { rows: taken } = await client.query<{ sequence: string }>(
    `select e.sequence from json_to_recordset($1) as e (server text, sequence bigint, id uuid)
     join vault.audit_events a using (server, sequence) where a.id <> e.id`,
    [json],
  );
  if (taken.length > 0) throw new NumberTaken(taken.map(({ sequence }) => Number(sequence)));
}

/** Numbers that other events have. */
export class NumberTaken extends Error {
  readonly sequences: readonly number[];

  constructor(sequences: readonly number[]) {
    super(
      `audit: the numbers ${sequences.slice(0, 10).join(", ")} of this server are taken by other events; ` +
        "two servers have the same name, or this one's state volume was lost",
    );
    this.name = "NumberTaken";
    this.sequences = sequences;
  }
}

/** The highest number of a server's events that this database knows. */
export async function highestSequence(client: ClientBase, server: string): Promise<number> {
  const { rows } = await client.query<{ highest: string | null }>(
    "select max(sequence) as highest from vault.audit_events where server = $1",
    [server],
  );
  return Number(rows[0]?.highest ?? 0);
}

/** What a server was when it started last. */
export interface ServerStart {
  readonly server: string;
  readonly startedAt: string;
  readonly version: string | null;
  readonly keyFingerprint: string | null;
}

/** The last start of every server, as its audit event tells it. */
export async function listStarts(client: ClientBase): Promise<readonly ServerStart[]> {
  const { rows } = await client.query<ServerStart>(
    `select distinct on (server) server, ${utc("at", "startedAt")}, details ->> 'version' as version,
            details ->> 'keyFingerprint' as "keyFingerprint"
     from vault.audit_events where operation = 'server.start' order by server, sequence desc`,
  );
  return rows;
}

/** Chains events that are not chained yet; how many. */
export async function sealEvents(
  client: ClientBase,
  server: string,
  from: number,
  atMost: number,
): Promise<number> {
  const { rows } = await client.query<{ sealed: number }>({
    name: "seal-audit",
    text: "select vault.seal_audit($1, $2, $3) as sealed",
    values: [server, from, atMost],
  });
  return rows[0]?.sealed ?? 0;
}

/** Which events somebody asks for. */
export interface AuditFilter {
  readonly kind?: string | undefined;
  readonly server?: string | undefined;
  readonly actor?: string | undefined;
  readonly operation?: string | undefined;
  readonly outcome?: string | undefined;
  readonly object?: string | undefined;
  /** RFC 3339; included. */
  readonly from?: string | undefined;
  /** RFC 3339; not included. */
  readonly to?: string | undefined;
}

/** Where a page ends. */
export type AuditPlace = readonly [at: string, server: string, sequence: number];

/** An event with its link of the chain; null while it is not chained yet. */
export interface StoredEvent extends AuditEvent {
  readonly hash: string | null;
}

/** One page, and where the next one begins; null on the last. */
export interface AuditPage {
  readonly items: readonly StoredEvent[];
  readonly next: AuditPlace | null;
}

const comparable = ["kind", "server", "actor", "operation", "outcome", "object"] as const;

/**
 * The question for a page. Only what is asked for stands in it: a condition that may also be none takes its index from
 * PostgreSQL, and a page far back would then take as long as all before it.
 */
export function pageQuery(
  filter: AuditFilter,
  limit: number,
  after: AuditPlace | null,
): { readonly text: string; readonly values: unknown[] } {
  const values: unknown[] = [];
  const bound = (value: unknown): string => `$${values.push(value)}`;
  const { from, to } = filter;
  const conditions = [
    ...comparable.flatMap((column) =>
      filter[column] === undefined ? [] : [`a.${column} = ${bound(filter[column])}`],
    ),
    ...(from === undefined ? [] : [`a.at >= ${bound(from)}::timestamptz`]),
    ...(to === undefined ? [] : [`a.at < ${bound(to)}::timestamptz`]),
    ...(after === null
      ? []
      : [
          `(a.at, a.server, a.sequence) < (${bound(after[0])}::timestamptz, ${bound(after[1])}::text, ${bound(after[2])}::bigint)`,
        ]),
  ];
  const text = `select a.server, a.sequence::float8 as sequence, a.id, ${utc("a.at", "at")}, a.kind, a.operation, a.outcome,
             a.actor, a.actor_id as "actorId", a.object, a.object_name as "objectName", a.address, a.details,
             encode(c.hash, 'hex') as hash
           from vault.audit_events a left join vault.audit_chain c using (server, sequence)
           where ${["true", ...conditions].join(" and ")}
           order by a.at desc, a.server desc, a.sequence desc limit ${bound(limit + 1)}`;
  return { text, values };
}

/** The newest events first. */
export async function listEvents(
  client: ClientBase,
  filter: AuditFilter,
  limit: number,
  after: AuditPlace | null,
): Promise<AuditPage> {
  const { rows } = await client.query<StoredEvent>(pageQuery(filter, limit, after));
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const next =
    rows.length > limit && last !== undefined ? ([last.at, last.server, last.sequence] as const) : null;
  return { items, next };
}

/** Of one server: how many events there are, and what is wrong with its chain. */
export interface Verification {
  readonly server: string;
  readonly events: number;
  readonly chained: number;
  readonly problems: readonly { readonly sequence: number; readonly problem: string }[];
  /** Numbers that were under way when the server was killed: given, and without an event. */
  readonly unrecorded: readonly string[];
}

/**
 * Recomputes the chain of every server.
 *
 * @param atMostSeconds how long that may take: longer than other statements
 */
export async function verifyEvents(
  client: ClientBase,
  atMostSeconds: number,
): Promise<readonly Verification[]> {
  // In a transaction: else the limit would hold for whoever borrows the connection next.
  await client.query("begin read only");
  await client.query(`set local statement_timeout = '${atMostSeconds}s'`);
  const { rows } = await client.query<Verification>(
    Object.assign({ text: verificationSql }, { query_timeout: (atMostSeconds + 1) * 1000 }),
  );
  await client.query("commit");
  return rows;
}

const verificationSql = `select server, (select count(*)::int from vault.audit_events a where a.server = s.server) as events,
            (select count(*)::int from vault.audit_chain c where c.server = s.server) as chained,
            coalesce(f.problems, '[]') as problems, coalesce(f.unrecorded, '[]') as unrecorded
     from (select distinct server from vault.audit_chain) s
     cross join lateral (
       select json_agg(json_build_object('sequence', v.sequence, 'problem', v.finding)) filter (where v.is_problem) as problems,
              json_agg(v.finding) filter (where not v.is_problem) as unrecorded
       from (select v.*, row_number() over (partition by v.is_problem order by v.place, v.sequence) as number
             from vault.verify_audit(s.server) v) v
       where v.number <= 100) f
     order by server`;
