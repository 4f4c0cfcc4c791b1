import type { Problem } from "../../server/http/problem.ts";

/** An answer that is a problem document, or no answer at all. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

export const sessionPath = "/api/session";

let csrfToken = "";

/** The token that belongs to the session; sent with every change. */
export function rememberCsrfToken(token: string): void {
  csrfToken = token;
}

let onSignedOut = (): void => undefined;

/** Calls back when the server says that nobody is signed in any more, until the returned function is called. */
export function whenSignedOut(callback: () => void): () => void {
  onSignedOut = callback;
  return () => {
    onSignedOut = () => undefined;
  };
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * Asks the server that this page came from.
 *
 * @param key of a change: the same key is the same change
 * @throws ApiError saying what happened and what to do
 */
export async function api<T>(
  method: Method,
  path: string,
  body?: unknown,
  key: string = crypto.randomUUID(),
): Promise<T> {
  const response = await answerTo(path, {
    method,
    headers: {
      accept: "application/json",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(method === "GET" ? {} : { "x-csrf-token": csrfToken, "idempotency-key": key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as T;
}

/**
 * Changes that one form asks for. The same one sent again, because its answer was lost or somebody pressed twice, has the
 * key that it had: the server does it once.
 */
export class Changes {
  #open: { readonly content: string; readonly key: string } | null = null;

  /** @throws ApiError saying what happened and what to do */
  async send<T>(method: Method, path: string, body: unknown): Promise<T> {
    const content = JSON.stringify([method, path, body]);
    if (this.#open?.content !== content) this.#open = { content, key: crypto.randomUUID() };
    const answer = await api<T>(method, path, body, this.#open.key);
    this.#open = null;
    return answer;
  }
}

/**
 * Takes a file from the server, with the name that the server gives it.
 *
 * @throws ApiError saying what happened and what to do
 */
export async function download(path: string): Promise<{ readonly name: string; readonly content: Blob }> {
  const response = await answerTo(path, {});
  const [, name = "download"] =
    /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "") ?? [];
  return { name, content: await response.blob() };
}

async function answerTo(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError(0, "The server does not answer.");
  }
  if (response.ok) return response;
  const { status } = response;
  // Signing in and out have answers of their own to it.
  if (status === 401 && path !== sessionPath) onSignedOut();
  throw new ApiError(status, detailOf(await response.text()) ?? `The server answered ${status}.`);
}

function detailOf(text: string): string | null {
  try {
    return (JSON.parse(text) as Problem).detail;
  } catch {
    return null;
  }
}

/** What is shown of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
