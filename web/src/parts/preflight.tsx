import type { Preflight as Verdict } from "../../../server/overview/schema.ts";
import { timeOfDay } from "../format.ts";

const marks = { "can run": "ok", "nothing to do": "", refused: "bad", unknown: "" } as const;
const words = {
  "can run": "can run, no write is lost",
  "nothing to do": "nothing to do, the goal is reached",
  refused: "refused",
  unknown: "cannot be said from here",
} as const;

/** What the planner says of a transition now, from what the server sees; the preview sees more. */
export function Preflight({ preflight }: { readonly preflight: NonNullable<Verdict> }) {
  const { transition, verdict, observedAt, steps, refused, warnings, unseen } = preflight;
  return (
    <section className="preflight" aria-label={`Preflight of ${transition}`}>
      <p>
        Preflight of {transition}: <strong className={`badge ${marks[verdict]}`}>{words[verdict]}</strong>{" "}
        <span className="muted">as observed at {timeOfDay(observedAt)}</span>
      </p>
      {unseen.length > 0 && (
        <>
          <p>A server does not see:</p>
          <List texts={unseen} />
          {refused.length > 0 && <p>If nothing more is found, it is refused:</p>}
        </>
      )}
      <List texts={refused.map(({ reason, remedy }) => `${reason}. ${remedy}`)} />
      <List texts={steps.map(({ text, cost, about }) => `${text} (${cost}, about ${about})`)} isOrdered />
      <List texts={warnings} />
      <p className="muted">
        The preview asks again: it also sees what the engines see, and what your config says.
      </p>
    </section>
  );
}

function List({
  texts,
  isOrdered = false,
}: {
  readonly texts: readonly string[];
  readonly isOrdered?: boolean;
}) {
  if (texts.length === 0) return null;
  const items = texts.map((text) => <li key={text}>{text}</li>);
  return isOrdered ? <ol>{items}</ol> : <ul>{items}</ul>;
}
