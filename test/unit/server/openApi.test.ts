import rateLimit from "@fastify/rate-limit";
import { Validator } from "@seriousme/openapi-schema-validator";
import fastify from "fastify";
import { describe, expect, test } from "vitest";
import { accountOperations } from "../../../server/http/accountRoutes.ts";
import { alertOperations } from "../../../server/http/alertRoutes.ts";
import type { App } from "../../../server/http/app.ts";
import { auditOperations } from "../../../server/http/auditRoutes.ts";
import { highAvailabilityOperations } from "../../../server/http/highAvailabilityRoutes.ts";
import { keyOperations } from "../../../server/http/keyRoutes.ts";
import { openApiDocument } from "../../../server/http/openApi.ts";
import { Operations } from "../../../server/http/operation.ts";
import { resourceOperations } from "../../../server/http/resourceRoutes.ts";
import { serverOperations } from "../../../server/http/serverRoutes.ts";
import type { Services } from "../../../server/http/services.ts";
import { sessionOperations } from "../../../server/http/sessionRoutes.ts";
import { statusOperations } from "../../../server/http/statusRoutes.ts";
import { supportOperations } from "../../../server/http/supportRoutes.ts";
import { taskOperations } from "../../../server/http/taskRoutes.ts";
import { tokenOperations } from "../../../server/http/tokenRoutes.ts";
import { transitionOperations } from "../../../server/http/transitionRoutes.ts";

async function documentOfAll(): Promise<Record<string, unknown>> {
  const app = fastify() as unknown as App;
  await app.register(rateLimit, { global: false });
  const api = new Operations(app, () => 30);
  const services = (): Services => {
    throw new Error("the document is made without any service");
  };
  statusOperations(api, services);
  alertOperations(api, services);
  resourceOperations(api, services);
  sessionOperations(app, api, services);
  accountOperations(app, api, services);
  tokenOperations(api, services);
  keyOperations(api, services);
  auditOperations(api, services);
  taskOperations(api, services);
  highAvailabilityOperations(app, api, services);
  serverOperations(api, services);
  transitionOperations(api, services);
  supportOperations(api, services);
  return openApiDocument(api.all) as Record<string, unknown>;
}

describe("the OpenAPI document", () => {
  test("is valid OpenAPI 3.1", async () => {
    const validator = new Validator();
    const result = await validator.validate(JSON.parse(JSON.stringify(await documentOfAll())));
    expect(result.errors ?? []).toEqual([]);
    expect([result.valid, validator.version]).toEqual([true, "3.1"]);
  });

  test("should say of each operation what it takes, gives and refuses", async () => {
    const { paths } = (await documentOfAll()) as {
      paths: Record<string, Record<string, Record<string, unknown>>>;
    };
    expect(paths["/api/resources"]?.post).toMatchObject({
      operationId: "createResource",
      security: [{ token: [] }, { session: [] }],
      requestBody: {
        content: {
          "application/json": {
            schema: {
              required: ["name", "account", "secret"],
              additionalProperties: false,
              properties: { secret: { type: "string", minLength: 1, maxLength: 16384 } },
            },
          },
        },
      },
    });
    const problem = {
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    };
    for (const operations of Object.values(paths)) {
      for (const { responses } of Object.values(operations))
        expect(responses).toMatchObject({ 503: problem });
    }
    expect(paths["/api/resources/{id}/secret"]?.get?.responses).toMatchObject({ 401: problem, 404: problem });
  });
});
