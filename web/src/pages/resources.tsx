import { type FormEvent, useEffect, useRef, useState } from "react";
import type { z } from "zod";
import type { Resource, resourcePageSchema, revealedSchema } from "../../../server/resources/schema.ts";
import { api, Changes, messageOf } from "../api.ts";
import { dateTime } from "../format.ts";
import { Question } from "../parts/question.tsx";
import { useMay } from "../session.tsx";
import { useQuery } from "../useQuery.ts";

type Page = z.output<typeof resourcePageSchema>;
type Revealed = z.output<typeof revealedSchema>;

/** The vault: listed, revealed, made and changed, by role. */
export function ResourcesPage() {
  const [search, setSearch] = useState("");
  const [after, setAfter] = useState<string | null>(null);
  const [editing, setEditing] = useState<Resource | "new" | null>(null);
  const mayWrite = useMay("resources.write");
  const opener = useRef<Element | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const [deleted, setDeleted] = useState<string | null>(null);
  const edit = (what: Resource | "new"): void => {
    opener.current = document.activeElement;
    setDeleted(null);
    setEditing(what);
  };
  const query = new URLSearchParams({ ...(search && { search }), ...(after !== null && { after }) });
  const { data, problem, reload } = useQuery<Page>(`/api/resources?${query}`);
  useEffect(() => {
    document.title = "Resources · pg-continuity";
  }, []);

  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        Resources
      </h1>
      <div className="row">
        <label>
          Search
          <input
            type="search"
            value={search}
            onChange={(event) => {
              setSearch(event.target.value);
              setAfter(null);
            }}
          />
        </label>
        {mayWrite && (
          <button type="button" onClick={() => edit("new")}>
            New resource
          </button>
        )}
      </div>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {editing !== null && (
        <Editor
          key={editing === "new" ? "new" : editing.id}
          resource={editing === "new" ? null : editing}
          done={() => {
            setEditing(null);
            reload();
            requestAnimationFrame(() => opener.current instanceof HTMLElement && opener.current.focus());
          }}
          gone={(name) => {
            setEditing(null);
            setDeleted(name);
            reload();
            // The button that opened it goes with its row.
            requestAnimationFrame(() => heading.current?.focus());
          }}
        />
      )}
      <p role="status">{deleted !== null && `${deleted} is deleted.`}</p>
      {data !== null && <List page={data} edit={mayWrite ? edit : null} />}
      {data !== null && (
        <div className="row">
          {after !== null && (
            <button type="button" className="quiet" onClick={() => setAfter(null)}>
              First page
            </button>
          )}
          {data.next !== null && (
            <button type="button" className="quiet" onClick={() => setAfter(data.next)}>
              Next page
            </button>
          )}
        </div>
      )}
    </>
  );
}

function List({ page, edit }: { readonly page: Page; readonly edit: ((resource: Resource) => void) | null }) {
  const mayReveal = useMay("secrets.reveal");
  if (page.items.length === 0) return <p className="muted">There is none.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="card scroll" aria-label="List of resources" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Account</th>
            <th scope="col">Secret</th>
            <th scope="col">Rotated</th>
            {edit !== null && <th scope="col">Change</th>}
          </tr>
        </thead>
        <tbody>
          {page.items.map((resource) => (
            <tr key={resource.id}>
              <th scope="row">{resource.name}</th>
              <td>{resource.account}</td>
              <td>{mayReveal ? <Secret key={resource.rotatedAt} resource={resource} /> : "••••••"}</td>
              <td>{dateTime(resource.rotatedAt)}</td>
              {edit !== null && (
                <td>
                  <button type="button" className="quiet" onClick={() => edit(resource)}>
                    Edit<span className="hidden"> {resource.name}</span>
                  </button>
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Hidden until it is asked for; each time it is, the audit says so. A replaced one is another. */
function Secret({ resource }: { readonly resource: Resource }) {
  const [secret, setSecret] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const toggle = async (): Promise<void> => {
    setProblem(null);
    if (secret !== null) {
      setSecret(null);
      return;
    }
    try {
      setSecret((await api<Revealed>("GET", `/api/resources/${resource.id}/secret`)).secret);
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  return (
    <span className="secret">
      <code>{secret ?? "••••••"}</code>
      <button type="button" className="quiet" onClick={() => void toggle()}>
        {secret === null ? "Reveal" : "Hide"}
        <span className="hidden"> the secret of {resource.name}</span>
      </button>
      {problem !== null && (
        <span className="problem" role="alert">
          {problem}
        </span>
      )}
    </span>
  );
}

function Editor({
  resource,
  done,
  gone,
}: {
  readonly resource: Resource | null;
  readonly done: () => void;
  /** It was deleted. */
  readonly gone: (name: string) => void;
}) {
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [changes] = useState(() => new Changes());
  const replacing = useRef<HTMLDialogElement>(null);
  const deleting = useRef<HTMLDialogElement>(null);
  const act = async (
    [method, path, body]: Parameters<Changes["send"]>,
    then: () => void = done,
  ): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await changes.send(method, path, body);
      then();
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
    }
  };
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string): string => String(form.get(name) ?? "");
    const days = text("rotateEveryDays");
    const rotateEveryDays = days === "" ? null : Number(days);
    const common = { name: text("name"), account: text("account"), rotateEveryDays };
    void (resource === null
      ? act(["POST", "/api/resources", { ...common, secret: text("secret") }])
      : act(["PATCH", `/api/resources/${resource.id}`, common]));
  };
  return (
    <form className="card form" onSubmit={submit} aria-labelledby="editor">
      <h2 id="editor">{resource === null ? "New resource" : `Edit ${resource.name}`}</h2>
      <label>
        Name
        {/* biome-ignore lint/a11y/noAutofocus: it was asked for by the button before */}
        <input name="name" defaultValue={resource?.name} required maxLength={200} autoFocus />
      </label>
      <label>
        Account
        <input name="account" defaultValue={resource?.account} required maxLength={200} />
      </label>
      {resource === null && (
        <label>
          Secret
          <input name="secret" type="password" autoComplete="new-password" required />
        </label>
      )}
      <label>
        Rotate every … days (empty: never)
        <input
          name="rotateEveryDays"
          type="number"
          min="1"
          max="3650"
          defaultValue={resource?.rotateEveryDays ?? ""}
        />
      </label>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="row">
        <button type="submit" disabled={isBusy}>
          Save
        </button>
        {resource !== null && (
          <>
            <button
              type="button"
              className="quiet"
              disabled={isBusy}
              onClick={() => replacing.current?.showModal()}
            >
              Replace the secret by a new one
            </button>
            <button
              type="button"
              className="quiet"
              disabled={isBusy}
              onClick={() => deleting.current?.showModal()}
            >
              Delete
            </button>
          </>
        )}
        <button type="button" className="quiet" onClick={done}>
          Cancel
        </button>
      </div>
      {resource !== null && (
        <>
          <Question
            dialog={replacing}
            text={`Replace the secret of ${resource.name}? The one it has now is lost: nobody can reveal it any more.`}
            keep="Keep it"
            act="Replace it"
            onAct={() => void act(["POST", `/api/resources/${resource.id}/rotate`, {}])}
          />
          <Question
            dialog={deleting}
            text={`Delete ${resource.name}? Its secret is deleted with it: nobody can reveal it any more.`}
            keep="Keep it"
            act="Delete it"
            onAct={() =>
              void act(["DELETE", `/api/resources/${resource.id}`, undefined], () => gone(resource.name))
            }
          />
        </>
      )}
    </form>
  );
}
