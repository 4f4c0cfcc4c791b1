import type { Overview } from "../../../server/overview/schema.ts";
import { capital } from "../format.ts";

/** Who reaches whom: a row for each node, a column for each server that tries. */
export function Connectivity({ overview }: { readonly overview: Overview }) {
  const { servers, databases } = overview;
  const nameOf = (name: string) => servers.find((server) => server.name === name)?.displayName ?? name;
  const rows = [
    ...servers.map(({ name, displayName, reachedBy }) => ({
      key: `${name}-server`,
      label: displayName,
      self: name as string | null,
      reachedBy,
    })),
    ...databases.map(({ name, reachedBy }) => ({
      key: `${name}-database`,
      label: `${capital(name)} database`,
      self: null,
      reachedBy,
    })),
  ];
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="scroll" aria-label="Who reaches whom" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Reached by</th>
            {servers.map(({ name }) => (
              <th key={name} scope="col">
                {nameOf(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, label, self, reachedBy }) => (
            <tr key={key}>
              <th scope="row">{label}</th>
              {servers.map(({ name }) => (
                <td key={name}>
                  {self === name ? (
                    "–"
                  ) : (
                    <Reached value={reachedBy.find(({ server }) => server === name)?.reachable ?? null} />
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Reached({ value }: { readonly value: boolean | null }) {
  if (value === null) return <span className="muted">unknown</span>;
  return <span className={value ? "ok-text" : "bad-text"}>{value ? "yes" : "no"}</span>;
}
