import { useEffect } from "react";
import type { Overview } from "../../../server/overview/schema.ts";
import { ago, bytes, dateTime, timeOfDay } from "../format.ts";
import { Alerts } from "../parts/alerts.tsx";
import { Connectivity } from "../parts/connectivity.tsx";
import { LagChart } from "../parts/lagChart.tsx";
import { Next } from "../parts/next.tsx";
import { SupportBundle } from "../parts/supportBundle.tsx";
import { ApplicationCard, DatabaseCard, ServerCard } from "../parts/tiles.tsx";
import { Topology } from "../parts/topology.tsx";
import { useOverview } from "../useOverview.ts";

/** Everything at a glance, as the server sees it that this page came from. */
export function HighAvailabilityPage() {
  const { overview, isStale, problem } = useOverview();
  useEffect(() => {
    document.title = "High availability · pg-continuity";
  }, []);
  return (
    <>
      <h1>High availability</h1>
      {overview === null ? (
        <p role="status">{problem ?? (isStale ? "The server does not answer." : "Loading …")}</p>
      ) : (
        <Content overview={overview} isStale={isStale} reason={problem} />
      )}
    </>
  );
}

function Content({
  overview,
  isStale,
  reason,
}: {
  readonly overview: Overview;
  readonly isStale: boolean;
  readonly reason: string | null;
}) {
  const { phase, verdict, summary, transition, observedAt, databases } = overview;
  const observer = overview.servers.find(({ name }) => name === overview.server)?.displayName;
  const others = overview.findings.filter(({ subject }) => !/ (server|database|application)$/.test(subject));
  return (
    <div className={isStale ? "stale" : undefined}>
      <section className={`card verdict ${verdict}`} aria-label="Verdict">
        <p className="phase">
          <span className="badge">{phase}</span>
          <strong role="status">{summary}</strong>
        </p>
        <p className="muted">
          {overview.stack}, model {overview.model}; seen by {observer} at {timeOfDay(observedAt)}
        </p>
        {overview.backups !== null && <p className="muted">{backupText(overview.backups, observedAt)}</p>}
        {transition !== null && (
          <p>
            Running since {dateTime(transition.since)}: {transition.holder}
          </p>
        )}
        {isStale && (
          <p className="problem" role="alert">
            Nothing was heard since {timeOfDay(observedAt)}: what is shown here is old. {reason}
          </p>
        )}
        {others.map(({ subject, problem, remedy }) => (
          <div key={subject + problem} className="finding">
            <p>
              {subject} {problem}
            </p>
            <p className="remedy">{remedy}</p>
          </div>
        ))}
      </section>
      {overview.next !== null && <Next next={overview.next} />}
      {(overview.alerts.length > 0 || overview.alerting !== null) && <Alerts overview={overview} />}
      <div className="overview">
        <section className="card" aria-label="Picture">
          <Topology overview={overview} />
        </section>
        <section className="card" aria-labelledby="connectivity">
          <h2 id="connectivity">Connectivity</h2>
          <Connectivity overview={overview} />
        </section>
      </div>
      <h2>Servers</h2>
      <div className="tiles">
        {overview.servers.map((server) => (
          <ServerCard key={server.name} server={server} overview={overview} />
        ))}
      </div>
      {overview.applications.length > 0 && (
        <>
          <h2>Applications</h2>
          <div className="tiles">
            {overview.applications.map((application) => (
              <ApplicationCard key={application.name} application={application} overview={overview} />
            ))}
          </div>
        </>
      )}
      <h2>Databases</h2>
      <div className="tiles">
        {databases.map((database) => (
          <DatabaseCard key={database.name} database={database} overview={overview} />
        ))}
      </div>
      {databases.length > 1 && (
        <section className="card" aria-labelledby="lag">
          <h2 id="lag">Replication lag</h2>
          <LagChart />
        </section>
      )}
      <SupportBundle />
    </div>
  );
}

/** One line: how old the newest good backup is. */
function backupText({ record }: NonNullable<Overview["backups"]>, observedAt: string): string {
  if (record === null) return "Backups: not known";
  const { lastGood, pending } = record;
  const newest =
    lastGood === null
      ? "none yet"
      : `the newest good one is ${ago(lastGood.endedAt, observedAt)} old (${bytes(lastGood.bytes)})`;
  return `Backups: ${newest}${pending === null ? "" : `, one is ${pending.state}`}`;
}
