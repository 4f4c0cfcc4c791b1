import { useEffect } from "react";
import type { z } from "zod";
import type { Transition, transitionsSchema } from "../../../server/transitions/schema.ts";
import { dateTime, duration } from "../format.ts";
import { Facts } from "../parts/facts.tsx";
import { useQuery } from "../useQuery.ts";

type Record = z.output<typeof transitionsSchema>;

/** What was done to the databases, with its proof. */
export function TransitionsPage() {
  const { data, problem } = useQuery<Record>("/api/transitions");
  useEffect(() => {
    document.title = "Transitions · pg-continuity";
  }, []);
  return (
    <>
      <h1>Transitions</h1>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {data?.isRecorded === false && <p className="muted">This database keeps no record of transitions.</p>}
      {data?.isRecorded === true && data.items.length === 0 && (
        <p className="muted">None was ever run on this stack.</p>
      )}
      {data?.items.map((item) => (
        <Evidence key={`${item.startedAt} ${item.transitionId}`} item={item} />
      ))}
    </>
  );
}

function Evidence({ item }: { readonly item: Transition }) {
  const seconds = (Date.parse(item.endedAt) - Date.parse(item.startedAt)) / 1000;
  const isDone = item.verdict.startsWith("done");
  return (
    <details className="card evidence">
      <summary>
        <span className={`badge ${isDone ? "ok" : "bad"}`}>{item.verdict}</span>
        <strong>
          {item.transition} {item.transitionId}
        </strong>
        <span className="muted">{dateTime(item.startedAt)}</span>
      </summary>
      <Facts
        facts={[
          ["By", item.actor],
          ["Took", duration(seconds)],
          [
            "Writes waited",
            item.writeGapSeconds === null ? "not at all" : `${item.writeGapSeconds.toFixed(3)} s`,
          ],
          ["Lost writes", item.lostWrites === null ? "unknown" : item.lostWrites],
          ["Commit", item.commit ?? "–"],
        ]}
      />
      {item.error !== null && <p className="problem">{item.error}</p>}
      {item.warnings.map((warning) => (
        <p key={warning} className="note">
          {warning}
        </p>
      ))}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section className="scroll" aria-label={`Databases before and after ${item.transitionId}`} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">Database</th>
              <th scope="col">Before</th>
              <th scope="col">After</th>
            </tr>
          </thead>
          <tbody>
            {item.before.map((before) => (
              <tr key={before.name}>
                <th scope="row">{before.name}</th>
                <td>{databaseAt(before)}</td>
                <td>{databaseAt(item.after.find(({ name }) => name === before.name))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <ol className="steps">
        {item.steps.map((step) => (
          <li key={`${step.startedAt} ${step.step}`}>
            <strong>{step.step}</strong> {step.result} in {duration(step.seconds)}
            {Object.keys(step.details).length > 0 && <pre>{JSON.stringify(step.details, null, 2)}</pre>}
          </li>
        ))}
      </ol>
    </details>
  );
}

function databaseAt(database: Transition["before"][number] | undefined): string {
  if (database?.role == null) return "unknown";
  return `${database.role}, timeline ${database.timeline}, ${database.lsn}`;
}
