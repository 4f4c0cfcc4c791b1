import type { Overview } from "../../../server/overview/schema.ts";
import { dateTime } from "../format.ts";

/** What people are told, by whom, and which channels fail. */
export function Alerts({ overview }: { readonly overview: Overview }) {
  const { alerts, alerting } = overview;
  const failing = (alerting?.channels ?? []).filter(({ problem }) => problem !== null);
  return (
    <section className="card" aria-labelledby="alerts">
      <h2 id="alerts">Alerts</h2>
      {alerts.length === 0 && <p>None.</p>}
      {alerts.map(({ key, severity, subject, problem, firedAt }) => (
        <p key={key}>
          <span className="badge">{severity}</span> {subject} {problem}
          {alerting !== null && (
            <span className="muted">
              {firedAt === null ? " (nobody is told yet)" : ` (told since ${dateTime(firedAt)})`}
            </span>
          )}
        </p>
      ))}
      {failing.map(({ name, problem, at, waiting }) => (
        <p key={name} className="problem" role="alert">
          The channel {name} failed at {dateTime(at)}: {problem}. It is tried again; {waiting} waiting.
        </p>
      ))}
      <p className="muted">
        {alerting === null
          ? "Nobody is told: no channel is configured."
          : `Told by ${alerting.channels.map(({ name }) => name).join(", ")}; sent by the ${alerting.sender ?? "(nobody yet)"} server.`}
      </p>
    </section>
  );
}
