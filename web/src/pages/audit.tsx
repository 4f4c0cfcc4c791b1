import { useEffect, useState } from "react";
import { Link } from "wouter";
import { type ServerName, serverNames } from "../../../core/vocabulary.ts";
import type { StoredEvent } from "../../../server/audit/store.ts";
import { capital, dateTime } from "../format.ts";
import { useQuery } from "../useQuery.ts";

interface Page {
  readonly items: readonly StoredEvent[];
  readonly next: string | null;
  readonly spooledBytes: number;
}

const kinds = ["resource", "user", "task"] as const;

/** Who did what, by kind and by the server it was done at. */
export function AuditPage(place: { readonly kind: string | undefined; readonly server: string | undefined }) {
  const kind = kinds.find((candidate) => candidate === place.kind) ?? "resource";
  const server = serverNames.find((candidate) => candidate === place.server) ?? "primary";
  useEffect(() => {
    document.title = "Audit · pg-continuity";
  }, []);
  return (
    <>
      <h1>Audit</h1>
      <Tabs
        label="Kind"
        tabs={kinds.map((name) => ({
          name: capital(name),
          path: `/audit/${name}/${server}`,
          isHere: name === kind,
        }))}
      />
      <Tabs
        label="Server"
        tabs={serverNames.map((name) => ({
          name: capital(name),
          path: `/audit/${kind}/${name}`,
          isHere: name === server,
        }))}
      />
      <Events key={`${kind} ${server}`} kind={kind} server={server} />
    </>
  );
}

/** Each has an address of its own, so they are links. */
function Tabs({
  label,
  tabs,
}: {
  readonly label: string;
  readonly tabs: readonly { readonly name: string; readonly path: string; readonly isHere: boolean }[];
}) {
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(({ name, path, isHere }) => (
        <Link key={path} href={path} className="place" aria-current={isHere ? "page" : undefined}>
          {name}
        </Link>
      ))}
    </nav>
  );
}

function Events({ kind, server }: { readonly kind: string; readonly server: ServerName }) {
  const [after, setAfter] = useState<string | null>(null);
  const query = new URLSearchParams({ kind, server, limit: "50", ...(after !== null && { after }) });
  const { data, problem, isLoading, reload } = useQuery<Page>(`/api/audit?${query}`);
  return (
    <>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {data !== null && data.spooledBytes > 0 && (
        <p className="note">
          {data.spooledBytes} bytes of events wait on this server's disk for a writable database, and are not
          listed yet.
        </p>
      )}
      {data !== null &&
        (data.items.length === 0 ? (
          <p className="muted">There is no event.</p>
        ) : (
          <List events={data.items} />
        ))}
      <div className="row">
        <button type="button" className="quiet" onClick={reload} disabled={isLoading}>
          Reload
        </button>
        {after !== null && (
          <button type="button" className="quiet" onClick={() => setAfter(null)}>
            Newest
          </button>
        )}
        {data?.next && (
          <button type="button" className="quiet" onClick={() => setAfter(data.next)}>
            Older
          </button>
        )}
        <a href={`/api/audit/export?kind=${kind}&server=${server}&format=csv`} download>
          All as CSV
        </a>
      </div>
    </>
  );
}

function List({ events }: { readonly events: readonly StoredEvent[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="card scroll" aria-label="Events" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {["Time", "Who", "Operation", "Of what", "Outcome", "From"].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <tr key={event.id}>
              <td>{dateTime(event.at)}</td>
              <td>{event.actor}</td>
              <td>{event.operation}</td>
              <td>{event.objectName ?? event.object ?? "–"}</td>
              <td className={event.outcome === "success" ? undefined : "bad-text"}>{event.outcome}</td>
              <td>{event.address ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
