import { type Kysely, sql } from "kysely";

/**
 * The audit. The application's role can add events and nothing else; the chain is made by functions that run with the
 * rights of the schema's owner.
 */
export async function audit(db: Kysely<unknown>, applicationRole: string): Promise<void> {
  const application = sql.id(applicationRole);
  for (const statement of [events, chain, hash, seal, verify, prune]) await sql.raw(statement).execute(db);
  await sql`grant select, insert on vault.audit_events to ${application}`.execute(db);
  await sql`grant select on vault.audit_chain to ${application}`.execute(db);
  await sql`
    revoke execute on function vault.audit_hash(vault.audit_events, bigint, bytea), vault.seal_audit(text, bigint, int),
      vault.verify_audit(text), vault.prune_audit(timestamptz) from public`.execute(db);
  await sql`
    grant execute on function vault.seal_audit(text, bigint, int), vault.verify_audit(text),
      vault.prune_audit(timestamptz) to ${application}`.execute(db);
}

/** The verification takes time in proportion to the events; before, to their square. */
export async function fasterVerification(db: Kysely<unknown>): Promise<void> {
  await sql.raw(verify).execute(db);
}

const events = `
create table vault.audit_events (
  server text not null,
  sequence bigint not null check (sequence > 0),
  id uuid not null,
  at timestamptz not null,
  kind text not null check (kind in ('resource', 'user', 'task')),
  operation text not null,
  outcome text not null,
  actor text not null,
  actor_id text,
  object text,
  object_name text,
  address text,
  details json not null,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (server, sequence)
);
create index audit_events_by_time on vault.audit_events (at, server, sequence);
create index audit_server_starts on vault.audit_events (server, sequence) where operation = 'server.start'`;

/** One link for each event, in the order in which they were chained. */
const chain = `
create table vault.audit_chain (
  server text not null,
  position bigint not null,
  sequence bigint not null,
  hash bytea not null,
  primary key (server, position),
  unique (server, sequence)
)`;

/** SHA-256 over the hash before and every field of the event. */
const hash = `
create function vault.audit_hash(e vault.audit_events, place bigint, before bytea) returns bytea
language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC'
return sha256(coalesce(before, ''::bytea) || convert_to(json_build_array(
  place, e.server, e.sequence, e.id, to_char(e.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), e.kind, e.operation, e.outcome,
  e.actor, e.actor_id, e.object, e.object_name, e.address, e.details)::text, 'UTF8'))`;

/** Chains the events of a server that are not chained yet, from a sequence on; at most so many. Gives how many. */
const seal = `
create function vault.seal_audit(of_server text, from_sequence bigint, at_most int) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
  e vault.audit_events;
  place bigint;
  link bytea;
  newest bigint;
  sealed int := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('vault.audit_chain ' || of_server, 0));
  select c.position, c.hash into place, link from vault.audit_chain c
    where c.server = of_server order by c.position desc limit 1;
  select max(c.sequence) into newest from vault.audit_chain c where c.server = of_server;
  for e in
    select a.* from vault.audit_events a
    where a.server = of_server and a.sequence >= greatest(from_sequence, coalesce(newest, 0) - 100000)
      and not exists (select from vault.audit_chain c where c.server = of_server and c.sequence = a.sequence)
    order by a.sequence limit at_most
  loop
    place := coalesce(place, 0) + 1;
    link := vault.audit_hash(e, place, link);
    insert into vault.audit_chain (server, position, sequence, hash) values (of_server, place, e.sequence, link);
    sealed := sealed + 1;
  end loop;
  return sealed;
end $$`;

/**
 * What is wrong with the events of a server: nothing, if every event is as it was chained and none is missing. A number
 * without an event is no problem, but told, where the server was killed before its next start: it was under way then.
 * Of the running server the last minute is left out: what has a number may wait for its outcome.
 */
const verify = `
create or replace function vault.verify_audit(of_server text)
returns table (place bigint, sequence bigint, is_problem boolean, finding text)
language sql stable security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
  with links as (
    select c.position, c.sequence, c.hash,
           lag(c.position) over w as position_before, lag(c.hash) over w as hash_before,
           row_number() over w as number
    from vault.audit_chain c where c.server = of_server window w as (order by c.position)
  ), numbers as (
    select a.sequence, a.operation, a.recorded_at,
           lag(a.sequence) over w as sequence_before, lag(a.operation) over w as operation_before,
           -- Backwards: a window that only grows is gone through once.
           min(a.sequence) filter (where a.operation = 'server.start')
             over (order by a.sequence desc rows between unbounded preceding and 1 preceding) as next_start
    from vault.audit_events a where a.server = of_server window w as (order by a.sequence)
  ), gaps as (
    select n.sequence, n.sequence_before + 1 as first, n.sequence - 1 as last,
           s.sequence is not null and s.operation_before <> 'server.stop' as was_killed
    from numbers n left join numbers s on s.sequence = n.next_start
    where n.sequence_before <> n.sequence - 1 and n.operation <> 'server.start'
      and (n.next_start is not null or n.recorded_at < now() - interval '1 minute')
  )
  select l.position, l.sequence, true,
         case when e.server is null then 'the event was removed'
              when l.position_before is distinct from nullif(l.position - 1, 0) then 'links of the chain were removed'
              else 'the event was changed' end
  from links l
  left join vault.audit_events e on e.server = of_server and e.sequence = l.sequence
  -- The first link that is kept is where the retention ended: its event is gone.
  where not (l.number = 1 and l.position > 1)
    and (e.server is null or l.position_before is distinct from nullif(l.position - 1, 0)
         or vault.audit_hash(e, l.position, l.hash_before) <> l.hash)
  union all
  select null, g.sequence, not g.was_killed,
         case when g.was_killed then format('numbers %s to %s have no event: the server was killed', g.first, g.last)
              else format('numbers %s to %s are missing', g.first, g.last) end
  from gaps g
  -- What was chained and is gone has been said above.
  where (select count(*) from vault.audit_chain c
         where c.server = of_server and c.sequence between g.first and g.last) < g.last - g.first + 1
  order by 1, 2
$$`;

/** The retention takes time in proportion to what it removes; before, to the square of all that is older. */
export async function fasterRetention(db: Kysely<unknown>): Promise<void> {
  await sql.raw(pruneSome).execute(db);
}

/** Removes events that are older than a time, which must be at least 30 days ago; keeps the last link before them. */
const prune = `
create function vault.prune_audit(before timestamptz) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  removed bigint := 0;
  part bigint;
  s text;
  last_place bigint;
begin
  if before > now() - interval '30 days' then
    raise exception 'the audit of the last 30 days is kept';
  end if;
  for s in select distinct a.server from vault.audit_events a loop
    select max(c.position) into last_place from vault.audit_chain c
      join vault.audit_events a on a.server = c.server and a.sequence = c.sequence
      where c.server = s and a.at < before
        and not exists (select from vault.audit_chain d join vault.audit_events b
                        on b.server = d.server and b.sequence = d.sequence
                        where d.server = s and d.position < c.position and b.at >= before);
    continue when last_place is null;
    delete from vault.audit_events a using vault.audit_chain c
      where c.server = s and a.server = s and a.sequence = c.sequence and c.position <= last_place;
    get diagnostics part = row_count;
    removed := removed + part;
    delete from vault.audit_chain c where c.server = s and c.position < last_place;
  end loop;
  return removed;
end $$`;

/** The same, of each server at most 20000 events at once: called until nothing is left, within any time limit. */
const pruneSome = `
create or replace function vault.prune_audit(before timestamptz) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  removed bigint := 0;
  part bigint;
  s text;
  last_place bigint;
begin
  if before > now() - interval '30 days' then
    raise exception 'the audit of the last 30 days is kept';
  end if;
  for s in
    -- From one server to the next by the index: there are few servers and many links.
    with recursive servers as (
      (select c.server from vault.audit_chain c order by c.server limit 1)
      union all
      select (select c.server from vault.audit_chain c where c.server > o.server order by c.server limit 1)
      from servers o where o.server is not null)
    select o.server from servers o where o.server is not null
  loop
    with oldest as materialized (
      select c.position, a.at from vault.audit_chain c
        left join vault.audit_events a on a.server = c.server and a.sequence = c.sequence
        where c.server = s order by c.position limit 20001)
    select max(o.position) into last_place from oldest o
      where o.at < before
        and o.position < coalesce((select min(k.position) from oldest k where k.at >= before), 9223372036854775807);
    continue when last_place is null;
    delete from vault.audit_events a using vault.audit_chain c
      where c.server = s and a.server = s and a.sequence = c.sequence and c.position <= last_place;
    get diagnostics part = row_count;
    removed := removed + part;
    delete from vault.audit_chain c where c.server = s and c.position < last_place;
  end loop;
  return removed;
end $$`;
