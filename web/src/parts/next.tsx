import type { Overview } from "../../../server/overview/schema.ts";
import { Preflight } from "./preflight.tsx";

/** What a person does next, with the commands to type, and what must not be done. */
export function Next({ next }: { readonly next: NonNullable<Overview["next"]> }) {
  return (
    <section className="card" aria-labelledby="next">
      <h2 id="next">What to do next</h2>
      {next.avoid.map((text) => (
        <p key={text} className="note">
          {text}
        </p>
      ))}
      <ol className="steps">
        {next.steps.map(({ text, commands, preflight }) => (
          <li key={text}>
            {text}
            <pre>{commands.join("\n")}</pre>
            {preflight !== null && <Preflight preflight={preflight} />}
          </li>
        ))}
      </ol>
    </section>
  );
}
