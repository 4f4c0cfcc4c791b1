import type { ApplicationTile, DatabaseTile, Overview, ServerTile } from "../../../server/overview/schema.ts";
import { ago, bytes, capital, dateTime, duration, timeOfDay } from "../format.ts";
import { databaseIsActive, databaseKind, databaseUsed, serverIsActive, slotOf } from "../known.ts";
import { CauseList } from "./causes.tsx";
import { Facts } from "./facts.tsx";
import { Rename } from "./rename.tsx";
import { ActiveMark } from "./status.tsx";

/** One server: what it is, and since when. */
export function ServerCard({
  server,
  overview,
}: {
  readonly server: ServerTile;
  readonly overview: Overview;
}) {
  const { observedAt } = overview;
  return (
    <article className="card tile" aria-label={`${capital(server.name)} server`}>
      <header>
        <div>
          <h3>{server.displayName}</h3>
          <p className="kind">
            {capital(server.name)} server
            {server.isActingPrimary && ", acting primary"}
          </p>
        </div>
        <ActiveMark active={serverIsActive(server)} />
      </header>
      <Facts
        facts={[
          [
            "Role",
            server.role === server.expectedRole
              ? server.role
              : `${server.role}, expected ${server.expectedRole}`,
          ],
          ["Database", databaseUsed(server)],
          ["Version", server.version],
          ["Uptime", ago(server.startedAt, observedAt)],
          ["Since", dateTime(server.since)],
          ["Seen at", server.observedAt === null ? "never" : timeOfDay(server.observedAt)],
        ]}
      />
      <Findings subject={`${server.name} server`} overview={overview} />
      {server.causes !== null && <CauseList causes={server.causes} />}
      <Rename server={server} />
    </article>
  );
}

/** One's own application beside a server: whether it is well. */
export function ApplicationCard({
  application,
  overview,
}: {
  readonly application: ApplicationTile;
  readonly overview: Overview;
}) {
  const { name, isWell, address, since, observedAt } = application;
  return (
    <article className="card tile" aria-label={`${capital(name)} application`}>
      <header>
        <div>
          <h3>{capital(name)} application</h3>
          <p className="kind">beside the {name} server</p>
        </div>
        <ActiveMark active={isWell} />
      </header>
      <Facts
        facts={[
          ["Health", isWell === null ? "unknown" : isWell ? "well" : "unwell"],
          ["Address", address],
          ["Since", dateTime(since)],
          ["Seen at", observedAt === null ? "never" : timeOfDay(observedAt)],
        ]}
      />
      <Findings subject={`${name} application`} overview={overview} />
    </article>
  );
}

/** One database: what it is, and how far behind. */
export function DatabaseCard({
  database,
  overview,
}: {
  readonly database: DatabaseTile;
  readonly overview: Overview;
}) {
  const { observedAt } = overview;
  const isStandby = database.role === "standby";
  return (
    <article className="card tile" aria-label={`${capital(database.name)} database`}>
      <header>
        <div>
          <h3>{capital(database.name)} database</h3>
          <p className="kind">{databaseKind(database)}</p>
        </div>
        <ActiveMark active={databaseIsActive(database)} />
      </header>
      <Facts
        facts={[
          ["Address", database.address],
          ["Version", database.version],
          ["Timeline", database.timeline],
          ["LSN", database.lsn],
          ...(isStandby
            ? ([
                ["Lag", lagOf(database)],
                ["Streaming", database.streaming === null ? null : database.streaming ? "yes" : "no"],
                ["Slot", slotOf(database, overview)],
              ] as const)
            : []),
          ["Uptime", ago(database.startedAt, observedAt)],
          ["Since", dateTime(database.since)],
          ["Seen at", database.observedAt === null ? "never" : timeOfDay(database.observedAt)],
        ]}
      />
      <Findings subject={`${database.name} database`} overview={overview} />
      {database.causes !== null && <CauseList causes={database.causes} />}
    </article>
  );
}

function lagOf({ lagBytes, lagSeconds }: DatabaseTile): string {
  if (lagBytes === null) return "unknown";
  return lagSeconds === null ? bytes(lagBytes) : `${bytes(lagBytes)}, ${duration(lagSeconds)}`;
}

function Findings({ subject, overview }: { readonly subject: string; readonly overview: Overview }) {
  const own = overview.findings.filter((finding) => finding.subject === subject);
  if (own.length === 0) return null;
  return (
    <details className="findings" open>
      <summary>Why, and what helps</summary>
      {own.map(({ problem, remedy }) => (
        <div key={problem}>
          <p>{problem}</p>
          <p className="remedy">{remedy}</p>
        </div>
      ))}
    </details>
  );
}
