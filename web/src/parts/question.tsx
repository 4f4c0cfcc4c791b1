import { type RefObject, useId } from "react";

/** Asks before something that cannot be taken back, in the browser's own dialog: Escape keeps things as they are. */
export function Question({
  dialog,
  text,
  keep,
  act,
  onAct,
}: {
  readonly dialog: RefObject<HTMLDialogElement | null>;
  readonly text: string;
  /** On the button that changes nothing. */
  readonly keep: string;
  /** On the button that does it. */
  readonly act: string;
  readonly onAct: () => void;
}) {
  const id = useId();
  return (
    <dialog ref={dialog} className="card" aria-labelledby={id}>
      <p id={id}>{text}</p>
      <div className="row">
        <button type="button" className="quiet" onClick={() => dialog.current?.close()}>
          {keep}
        </button>
        <button
          type="button"
          onClick={() => {
            dialog.current?.close();
            onAct();
          }}
        >
          {act}
        </button>
      </div>
    </dialog>
  );
}
