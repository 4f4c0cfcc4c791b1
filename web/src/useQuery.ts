import { useCallback, useEffect, useState } from "react";
import { ApiError, api, messageOf } from "./api.ts";
import { useSession } from "./session.tsx";

export interface Query<T> {
  readonly data: T | null;
  readonly problem: string | null;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

/** What the server answers to a GET of this path; asked again when the path changes. */
export function useQuery<T>(path: string): Query<T> {
  const { ended } = useSession();
  const [state, setState] = useState<{ readonly data: T | null; readonly problem: string | null }>({
    data: null,
    problem: null,
  });
  const [isLoading, setLoading] = useState(true);
  const [round, setRound] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new round asks again
  useEffect(() => {
    let isOver = false;
    setLoading(true);
    api<T>("GET", path)
      .then(
        (data) => {
          if (!isOver) setState({ data, problem: null });
        },
        (error: unknown) => {
          if (isOver) return;
          if (error instanceof ApiError && error.status === 401) ended();
          setState((before) => ({ ...before, problem: messageOf(error) }));
        },
      )
      .finally(() => {
        if (!isOver) setLoading(false);
      });
    return () => {
      isOver = true;
    };
  }, [path, round, ended]);

  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { ...state, isLoading, reload };
}
