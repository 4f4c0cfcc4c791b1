import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import type { z } from "zod";
import type { Permission } from "../../server/accounts/roles.ts";
import { may } from "../../server/accounts/roles.ts";
import type { sessionSchema } from "../../server/accounts/schema.ts";
import { ApiError, api, messageOf, rememberCsrfToken, sessionPath, whenSignedOut } from "./api.ts";

type Session = z.output<typeof sessionSchema>;

/** Who is signed in, and how to change that. */
export interface SessionState {
  /** Null: nobody. Undefined: not known yet. */
  readonly session: Session | null | undefined;
  /** Why it is not known. */
  readonly problem: string | null;
  readonly signIn: (name: string, password: string) => Promise<void>;
  readonly signOut: () => Promise<void>;
  /** The server has put another session in the place of this one. */
  readonly renew: () => Promise<void>;
  /** The server says that nobody is signed in any more. */
  readonly ended: () => void;
}

const Context = createContext<SessionState | null>(null);
const retryMs = 1000;

/** Knows who is signed in; asks again while the server cannot say. */
export function SessionProvider({ children }: { readonly children: ReactNode }) {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const [problem, setProblem] = useState<string | null>(null);
  const accept = useCallback((next: Session | null) => {
    rememberCsrfToken(next?.csrfToken ?? "");
    setSession(next);
    setProblem(null);
  }, []);

  useEffect(() => whenSignedOut(() => accept(null)), [accept]);
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      try {
        const found = await api<Session>("GET", sessionPath);
        if (!isOver) accept(found);
      } catch (error) {
        if (isOver) return;
        if (error instanceof ApiError && error.status === 401) accept(null);
        else {
          setProblem(messageOf(error));
          timer = setTimeout(() => void ask(), retryMs);
        }
      }
    };
    void ask();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [accept]);

  const state = useMemo<SessionState>(
    () => ({
      session,
      problem,
      signIn: async (name, password) => accept(await api<Session>("POST", sessionPath, { name, password })),
      signOut: async () => {
        try {
          await api("DELETE", sessionPath);
        } catch (error) {
          // It had ended before.
          if (!(error instanceof ApiError && error.status === 401)) throw error;
        }
        accept(null);
      },
      renew: async () => accept(await api<Session>("GET", sessionPath)),
      ended: () => accept(null),
    }),
    [session, problem, accept],
  );
  return <Context value={state}>{children}</Context>;
}

export function useSession(): SessionState {
  const state = useContext(Context);
  if (state === null) throw new Error("useSession: outside of SessionProvider");
  return state;
}

/** Whether who is signed in has a permission. The server decides; this only leaves out what it would refuse. */
export function useMay(permission: Permission): boolean {
  const { session } = useSession();
  return session ? may(session.account.role, permission) : false;
}
