/** Active, inactive or not known, told by a word and a shape as well as by a colour. */
export function ActiveMark({ active }: { readonly active: boolean | null }) {
  if (active === null) return <span className="mark">Unknown</span>;
  return (
    <span className={`mark ${active ? "ok" : "bad"}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        {active ? <path d="M2 6.5 5 9.5 10 3" /> : <path d="M2.5 2.5l7 7m0-7-7 7" />}
      </svg>
      {active ? "Active" : "Inactive"}
    </span>
  );
}
