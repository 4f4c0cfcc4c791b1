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

let csrfToken = "";

/** The token that belongs to the session; sent with every change. */
export function rememberCsrfToken(token: string): void {
  csrfToken = token;
}

/**
 * Asks the server that this page came from.
 *
 * @throws ApiError saying what happened and what to do
 */
export async function api<T>(
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
): Promise<T> {
  const response = await answerTo(path, {
    method,
    headers: {
      accept: "application/json",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(method === "GET" ? {} : { "x-csrf-token": csrfToken, "idempotency-key": crypto.randomUUID() }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as T;
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
