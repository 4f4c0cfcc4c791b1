import { type FormEvent, useRef, useState } from "react";
import type { ServerTile } from "../../../server/overview/schema.ts";
import { api, messageOf } from "../api.ts";
import { useMay } from "../session.tsx";

/** Lets an administrator give a server another name. */
export function Rename({ server }: { readonly server: ServerTile }) {
  const mayRename = useMay("servers.rename");
  const [isOpen, setOpen] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const opener = useRef<HTMLButtonElement>(null);
  if (!mayRename) return null;

  const close = (): void => {
    setOpen(false);
    setProblem(null);
    requestAnimationFrame(() => opener.current?.focus());
  };
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const displayName = String(new FormData(event.currentTarget).get("displayName")).trim();
    try {
      await api("PUT", `/api/servers/${server.name}/name`, { displayName });
      close();
    } catch (error) {
      setProblem(messageOf(error));
    }
  };

  if (!isOpen)
    return (
      <button ref={opener} type="button" className="quiet" onClick={() => setOpen(true)}>
        Rename<span className="hidden"> {server.displayName}</span>
      </button>
    );
  return (
    <form
      className="row"
      onSubmit={(event) => void submit(event)}
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
      }}
    >
      <label>
        New name
        {/* biome-ignore lint/a11y/noAutofocus: it was asked for by the button before */}
        <input name="displayName" defaultValue={server.displayName} required maxLength={60} autoFocus />
      </label>
      <button type="submit">Save</button>
      <button type="button" className="quiet" onClick={close}>
        Cancel
      </button>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
