import { Fragment, type ReactNode } from "react";

/** Names and values, one pair a line. */
export function Facts({ facts }: { readonly facts: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd>{value ?? "unknown"}</dd>
        </Fragment>
      ))}
    </dl>
  );
}
