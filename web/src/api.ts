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
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(method === "GET" ? {} : { "x-csrf-token": csrfToken, "idempotency-key": crypto.randomUUID() }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(0, "The server does not answer.");
  }
  const text = await response.text();
  if (response.ok) return JSON.parse(text) as T;
  throw new ApiError(response.status, detailOf(text) ?? `The server answered ${response.status}.`);
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
