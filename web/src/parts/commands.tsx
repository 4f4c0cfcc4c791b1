import { useState } from "react";

/** Commands to type, each with a button that copies it. */
export function Commands({ commands }: { readonly commands: readonly string[] }) {
  return (
    <ul className="commands">
      {commands.map((command) => (
        <Command key={command} command={command} />
      ))}
    </ul>
  );
}

function Command({ command }: { readonly command: string }) {
  const [outcome, setOutcome] = useState("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(command);
      setOutcome("Copied");
    } catch {
      setOutcome("Not allowed here: select it by hand");
    }
  };
  return (
    <li>
      <code>{command}</code>
      <button type="button" className="quiet" onClick={() => void copy()}>
        Copy<span className="hidden"> {command}</span>
      </button>
      <span role="status" className="muted">
        {outcome}
      </span>
    </li>
  );
}
