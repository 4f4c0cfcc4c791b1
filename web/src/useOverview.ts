import { useEffect, useState } from "react";
import type { Overview } from "../../server/overview/schema.ts";
import { ApiError, api, messageOf, sessionPath } from "./api.ts";
import { useSession } from "./session.tsx";

/** An overview comes each second; without one for so long what is shown is old. */
const staleMs = 3500;

export interface LiveOverview {
  readonly overview: Overview | null;
  /** Nothing has come for a while: what is shown may not be true any more. */
  readonly isStale: boolean;
  /** Why nothing comes, as the server says. */
  readonly problem: string | null;
}

/** What the server sees, as it changes. */
export function useOverview(): LiveOverview {
  const { ended } = useSession();
  const [overview, setOverview] = useState<Overview | null>(null);
  const [isStale, setStale] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => setStale(true), staleMs);
    };
    const listen = (): EventSource => {
      const source = new EventSource("/api/high-availability/events");
      source.addEventListener("overview", (event) => {
        setOverview(JSON.parse(event.data) as Overview);
        setStale(false);
        setProblem(null);
        wait();
      });
      // A browser gives up after an answer that is no stream, as a server that starts gives: ask again, and hear why.
      source.addEventListener("error", () => {
        if (source.readyState !== EventSource.CLOSED) return;
        retry = setTimeout(() => {
          current = listen();
        }, 1000);
        api("GET", sessionPath).catch((error: unknown) => {
          if (error instanceof ApiError && error.status === 401) ended();
          else setProblem(messageOf(error));
        });
      });
      return source;
    };
    let retry: ReturnType<typeof setTimeout>;
    let current = listen();
    wait();
    return () => {
      clearTimeout(timer);
      clearTimeout(retry);
      current.close();
    };
  }, [ended]);
  return { overview, isStale, problem };
}
