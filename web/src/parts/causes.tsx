import type { Causes } from "../../../server/overview/schema.ts";
import { Commands } from "./commands.tsx";

const marks = { likely: "bad", "ruled out": "ok", "not known": "" } as const;

/** The causes that a node can be inactive for: what was checked and seen, which of them is likely, and what helps. */
export function CauseList({ causes: { likely, causes } }: { readonly causes: Causes }) {
  const title = causes.find(({ name }) => name === likely)?.title;
  return (
    <details className="findings">
      <summary>
        Likely cause: <strong>{title ?? "not known from here"}</strong>
      </summary>
      <ul className="causes">
        {causes.map((cause) => (
          <li key={cause.name}>
            <h4>
              {cause.title} <span className={`badge ${marks[cause.verdict]}`}>{cause.verdict}</span>
            </h4>
            <p className="muted">Checked: {cause.checked}</p>
            <ul>
              {cause.evidence.map((text) => (
                <li key={text}>{text}</li>
              ))}
            </ul>
            {cause.verdict !== "ruled out" && (
              <>
                <p>{cause.remedy}</p>
                <Commands commands={cause.commands} />
              </>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}
