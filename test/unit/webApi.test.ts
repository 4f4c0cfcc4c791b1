import { afterEach, expect, test, vi } from "vitest";
import { ApiError, api, Changes, whenSignedOut } from "../../web/src/api.ts";

afterEach(() => vi.unstubAllGlobals());

/** A server that answers each request in turn; what it was asked. */
function answering(...answers: readonly (Response | Error)[]): string[] {
  const keys: string[] = [];
  const left = [...answers];
  vi.stubGlobal("fetch", async (_path: string, { headers }: { headers: Record<string, string> }) => {
    keys.push(headers["idempotency-key"] ?? "");
    const answer = left.shift() ?? Response.json({});
    if (answer instanceof Error) throw answer;
    return answer;
  });
  return keys;
}

const problem = (status: number) => Response.json({ detail: "no" }, { status });

test("a change that is sent again because nobody answered is the same one, and is done once", async () => {
  const keys = answering(new TypeError("network"), problem(503));
  const changes = new Changes();
  const send = (name: string) => changes.send("POST", "/api/resources", { name });
  await expect(send("a")).rejects.toThrow("does not answer");
  await expect(send("a")).rejects.toThrow("no");
  await send("a");
  expect(new Set(keys).size).toBe(1);
  // Once it is done, the same again is another.
  await send("a");
  await send("b");
  expect(new Set(keys).size).toBe(3);
});

test("a change with another content is another one", async () => {
  const keys = answering(new TypeError("network"), new TypeError("network"));
  const changes = new Changes();
  for (const name of ["a", "b"])
    await expect(changes.send("POST", "/api/resources", { name })).rejects.toBeInstanceOf(ApiError);
  expect(new Set(keys).size).toBe(2);
});

test("whatever is asked, an ended session is noticed; a wrong password ends none", async () => {
  answering(problem(401), problem(401));
  const signedOut = vi.fn();
  const forget = whenSignedOut(signedOut);
  await expect(api("POST", "/api/session", {})).rejects.toThrow("no");
  expect(signedOut).not.toHaveBeenCalled();
  await expect(api("PATCH", "/api/resources/1", {})).rejects.toThrow("no");
  expect(signedOut).toHaveBeenCalledOnce();
  forget();
});
