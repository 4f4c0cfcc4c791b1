import { type ReactNode, useState } from "react";
import { Link, useLocation } from "wouter";
import { messageOf } from "./api.ts";
import { useMay, useSession } from "./session.tsx";

/** The frame around every page: where one can go, who is signed in. */
export function Frame({ children }: { readonly children: ReactNode }) {
  const { session, signOut } = useSession();
  const [problem, setProblem] = useState<string | null>(null);
  const leave = async (): Promise<void> => {
    setProblem(null);
    try {
      await signOut();
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  const maySeeAudit = useMay("audit.read");
  const places = [
    ["/high-availability", "High availability"],
    ["/resources", "Resources"],
    ...(maySeeAudit ? [["/audit", "Audit"] as const, ["/transitions", "Transitions"] as const] : []),
  ] as const;
  return (
    <div className="frame">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="bar">
        <span className="brand">
          <img src="/favicon.svg" alt="" width="28" height="28" />
          pg-continuity
        </span>
        <nav aria-label="Pages">
          {places.map(([path, name]) => (
            <Place key={path} path={path}>
              {name}
            </Place>
          ))}
        </nav>
        <div className="who">
          <Link href="/account" className="place" title={session?.account.role}>
            <span className="hidden">Account of </span>
            {session?.account.name}
          </Link>
          <button type="button" className="quiet" onClick={() => void leave()}>
            Sign out
          </button>
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        {problem !== null && (
          <p className="problem" role="alert">
            Still signed in. {problem}
          </p>
        )}
        {children}
      </main>
    </div>
  );
}

function Place({ path, children }: { readonly path: string; readonly children: ReactNode }) {
  const [location] = useLocation();
  const isHere = location === path || location.startsWith(`${path}/`);
  return (
    <Link href={path} className="place" aria-current={isHere ? "page" : undefined}>
      {children}
    </Link>
  );
}
