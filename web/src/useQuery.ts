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
  const [state, setState] = useState<{
    readonly path: string;
    readonly data: T | null;
    readonly problem: string | null;
  }>({ path, data: null, problem: null });
  const [isLoading, setLoading] = useState(true);
  const [round, setRound] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new round asks again
  useEffect(() => {
    let isOver = false;
    setLoading(true);
    api<T>("GET", path)
      .then(
        (data) => {
          if (!isOver) setState({ path, data, problem: null });
        },
        (error: unknown) => {
          if (isOver) return;
          if (error instanceof ApiError && error.status === 401) ended();
          // What another path was answered is no answer to this one.
          const problem = messageOf(error);
          setState((before) => ({ path, data: before.path === path ? before.data : null, problem }));
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
  return { data: state.data, problem: state.problem, isLoading, reload };
}
