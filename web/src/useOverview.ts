import { useEffect, useState } from "react";
import type { Overview } from "../../server/overview/schema.ts";
import { ApiError, api } from "./api.ts";
import { useSession } from "./session.tsx";

/** An overview comes each second; without one for so long what is shown is old. */
const staleMs = 3500;

export interface LiveOverview {
  readonly overview: Overview | null;
  /** Nothing has come for a while: what is shown may not be true any more. */
  readonly isStale: boolean;
}

/** What the server sees, as it changes. */
export function useOverview(): LiveOverview {
  const { ended } = useSession();
  const [overview, setOverview] = useState<Overview | null>(null);
  const [isStale, setStale] = useState(false);

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
        wait();
      });
      // A browser gives up after an answer that is no stream, as a server that starts gives: ask again, and hear why.
      source.addEventListener("error", () => {
        if (source.readyState !== EventSource.CLOSED) return;
        retry = setTimeout(() => {
          current = listen();
        }, 1000);
        api("GET", "/api/session").catch((error: unknown) => {
          if (error instanceof ApiError && error.status === 401) ended();
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
  return { overview, isStale };
}
