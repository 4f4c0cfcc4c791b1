import { z } from "zod";
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from "zod-openapi";
import { version } from "../version.ts";
import { idempotencyKeyPattern } from "../writes/idempotency.ts";
import type { Operation } from "./operation.ts";
import { sessionCookieName } from "./sessionCookie.ts";

/** A problem document, RFC 9457. `server/http/problem.ts` says what can stand in it. */
export const problemSchema = z
  .object({
    type: z.string().meta({ description: "Stable, for programs: urn:pg-continuity:problem:KIND" }),
    title: z.string(),
    status: z.number().int().min(400).max(599),
    detail: z.string().meta({ description: "What happened to this request and what to do" }),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    outcomeUnknown: z.boolean().optional(),
    retryAfterSeconds: z.number().optional(),
  })
  .meta({ id: "Problem" });

const idempotencyHeader = z.object({
  "Idempotency-Key": z
    .string()
    .regex(idempotencyKeyPattern)
    .optional()
    .meta({ description: "Makes the write happen once, however often it is sent" }),
});

const problemTexts: Readonly<Record<number, string>> = {
  400: "The request is not understood, or has wrong values",
  401: "Nobody is signed in",
  403: "The role of who is signed in does not allow it",
  404: "There is no such thing",
  409: "It contradicts what is there",
  413: "The body is larger than 128 KiB",
  414: "A part of the path is longer than any id",
  415: "The body is not JSON",
  422: "The Idempotency-Key was used before for a different request",
  429: "Too many failed sign-ins",
  503: "It cannot be done now; the problem says why and when to try again",
};

/** The OpenAPI 3.1 document of these operations, from the schemas that validate their input. */
export function openApiDocument(operations: readonly Operation[]): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const operation of operations) {
    const method = operation.method.toLowerCase() as Lowercase<Operation["method"]>;
    paths[operation.path] = { ...paths[operation.path], [method]: operationObject(operation) };
  }
  return createDocument({
    openapi: "3.1.0",
    info: {
      title: "pg-continuity application server",
      version,
      description: "A vault of shared secrets that stays readable when the writable database is gone.",
    },
    servers: [{ url: "/", description: "Any server, or the gateway" }],
    paths,
    components: {
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "A token for programs" },
        session: {
          type: "apiKey",
          in: "cookie",
          name: sessionCookieName,
          description: "A browser's session; changes need the header X-CSRF-Token as well",
        },
      },
    },
  });
}

function operationObject(operation: Operation): ZodOpenApiOperationObject {
  const { id, summary, access, params, query, body, writes = false, answers } = operation;
  const responses: ZodOpenApiOperationObject["responses"] = {};
  for (const [status, { description, schema, contentType = "application/json" }] of Object.entries(answers)) {
    responses[status as "200"] = {
      description,
      ...(schema === undefined ? {} : { content: { [contentType]: { schema } } }),
    };
  }
  for (const status of problemStatuses(operation)) {
    responses[String(status) as "400"] = {
      description: problemTexts[status] ?? "A problem",
      content: { "application/problem+json": { schema: problemSchema } },
    };
  }
  const requestParams = {
    ...(params === undefined ? {} : { path: params }),
    ...(query === undefined ? {} : { query }),
    ...(writes ? { header: idempotencyHeader } : {}),
  };
  return {
    operationId: id,
    summary: access === "anyone" || access === "signed-in" ? summary : `${summary} (${access})`,
    security: access === "anyone" ? [] : [{ token: [] }, { session: [] }],
    ...(Object.keys(requestParams).length === 0 ? {} : { requestParams }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: body } } } }),
    responses,
  };
}

/** Every status of a problem that the operation may answer, in order. */
function problemStatuses({ access, params, body, writes, problems = [] }: Operation): readonly number[] {
  const statuses = new Set([400, 503, ...problems]);
  if (access !== "anyone") for (const status of [401, 403, 429]) statuses.add(status);
  if (params !== undefined) for (const status of [404, 414]) statuses.add(status);
  if (body !== undefined) for (const status of [413, 415]) statuses.add(status);
  if (writes === true) statuses.add(422);
  return [...statuses].sort((a, b) => a - b);
}
