import { Validator } from "@seriousme/openapi-schema-validator";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bodyOf, type FuzzBody, type JsonSchema, textOf } from "../support/openApiFuzz.ts";
import { until } from "../support/serverPostgres.ts";
import type { ServerProcess } from "../support/serverProcess.ts";
import { ServerWorld } from "../support/serverWorld.ts";

interface DocumentedOperation {
  readonly operationId: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: JsonSchema;
  }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: JsonSchema }> };
  readonly responses: Record<string, unknown>;
}

interface FuzzRequest {
  readonly url: string;
  readonly body: FuzzBody | null;
}

/** Each run of the tests sends others. */
const runsPerOperation = 12;
/** Sent as well, so that the fuzz is sure to reach what it is meant to reach. */
const wellFormed: Readonly<Record<string, FuzzRequest>> = {
  createResource: {
    url: "/api/resources",
    body: { text: '{"name":"fuzz","account":"a","secret":"s"}', type: "application/json" },
  },
  listAudit: { url: "/api/audit?kind=resource&limit=2", body: null },
};

describe("the API as its document describes it", { timeout: 180_000 }, () => {
  let world: ServerWorld;
  let primary: ServerProcess;
  let document: { readonly paths: Record<string, Record<string, DocumentedOperation>> };

  beforeAll(async () => {
    world = await ServerWorld.create("fuzz");
    primary = await world.start("primary", { logLevel: "info" });
    document = JSON.parse(await primary.text("/api/openapi.json")) as typeof document;
  }, 180_000);
  afterAll(async () => world[Symbol.asyncDispose](), 60_000);

  test("the document that is served is valid, and needs no sign-in", async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    expect([valid, errors ?? []]).toEqual([true, []]);
    const answer = await primary.send("GET", "/api/openapi.json", undefined, { authorization: "" });
    expect(answer).toMatchObject({ status: 200, body: { openapi: "3.1.0" } });
  });

  test("whatever is sent is answered as the document says: never 5xx, every error a problem document", async () => {
    const statuses = new Map<string, Set<number>>();
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        const seen = new Set<number>();
        statuses.set(operation.operationId, seen);
        const example = wellFormed[operation.operationId];
        const request = requestOf(path, operation);
        await fc.assert(
          fc.asyncProperty(request, async ({ url, body }) => {
            const headers: Record<string, string> = body === null ? {} : { "content-type": body.type };
            const answer = await primary.request(method.toUpperCase(), url, body?.text, headers);
            seen.add(answer.status);
            expect(answer.status).toBeLessThan(500);
            expect(Object.keys(operation.responses)).toContain(String(answer.status));
            if (answer.status >= 400) {
              expect(answer.headers["content-type"]).toContain("application/problem+json");
              expect(JSON.parse(answer.text)).toMatchObject({ status: answer.status });
            }
          }),
          {
            numRuns: isStream(operation) ? 2 : runsPerOperation,
            endOnFailure: true,
            examples: example === undefined ? [] : [[example]],
          },
        );
      }
    }
    expect(statuses.get("createResource")).toContain(201);
    expect(statuses.get("listAudit")).toContain(200);
    expect(await primary.status("/primary")).toBe(200);
    expect(world.output).not.toContain("did not expect");
    await until("all is chained", async () => {
      const { servers } = (await primary.send("GET", "/api/audit/verification")).body as {
        servers: { events: number; chained: number; problems: unknown[] }[];
      };
      return servers.every(({ events, chained, problems }) => events === chained && problems.length === 0);
    });
  });

  function requestOf(path: string, operation: DocumentedOperation): fc.Arbitrary<FuzzRequest> {
    // Answers that go on are asked to end.
    if (isStream(operation)) return fc.constant({ url: `${path}?seconds=1`, body: null });
    const parameters = operation.parameters ?? [];
    const inPath = parameters.filter((parameter) => parameter.in === "path");
    const inQuery = parameters.filter((parameter) => parameter.in === "query");
    const texts = (list: typeof parameters) =>
      fc.record(Object.fromEntries(list.map(({ name, schema }) => [name, textOf(schema)])));
    const schema = operation.requestBody?.content["application/json"]?.schema;
    return fc
      .tuple(
        texts(inPath),
        // Few at a time: with many, one of them is wrong each time, and what the right ones do is never seen.
        fc.subarray(inQuery, { maxLength: Math.min(2, inQuery.length) }).chain(texts),
        schema === undefined ? fc.constant(null) : bodyOf(schema),
      )
      .map(([values, query, body]) => {
        const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encode(values[name] ?? ""));
        const search = Object.entries(query).map(([name, value]) => `${name}=${encode(value ?? "")}`);
        return { url: search.length === 0 ? filled : `${filled}?${search.join("&")}`, body };
      });
  }
});

function isStream(operation: DocumentedOperation): boolean {
  return JSON.stringify(operation.responses).includes("text/event-stream");
}

/** Percent-encoded; half characters as they are not encoded by anybody who means well. */
function encode(text: string): string {
  return /\p{Cs}/u.test(text) ? "%ED%A0%80" : encodeURIComponent(text);
}
