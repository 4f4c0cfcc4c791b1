import { randomUUID } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { createResourceSchema, encodeCursor, idSchema, listQuerySchema } from "../resources/schema.ts";
import {
  deleteResource,
  findResource,
  findSealedSecret,
  insertResource,
  listResources,
} from "../resources/store.ts";
import { idempotencyKeyPattern } from "../writes/idempotency.ts";
import type { App } from "./app.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";
import { validate } from "./validate.ts";

/** The only account there is yet. */
export const administrator = "administrator";

/** The vault's resources. Every answer says in `X-Database` which database it came from. */
export function resourceRoutes(app: App, services: () => Services): void {
  app.post("/resources", async (request, reply) => {
    const input = validate(createResourceSchema, request.body);
    const key = idempotencyKey(request, reply);
    const { writer, cipher, hasher } = services();
    const id = randomUUID();
    const sealed = cipher.seal(id, input.secret);
    const result = await writer.run({
      actor: administrator,
      key,
      requestHash: hasher.hash("POST /api/resources", input),
      work: async (client) => ({
        status: 201,
        body: await insertResource(client, { id, name: input.name, account: input.account, sealed }),
      }),
    });
    if (result.replayed) reply.header("idempotency-replayed", "true");
    if (result.status === 201 && "id" in result.body) {
      reply.header("location", `/api/resources/${String(result.body.id)}`);
    }
    return from(reply, result.database).code(result.status).send(result.body);
  });

  app.delete("/resources/:id", async (request, reply) => {
    const { id } = validate(idSchema, request.params);
    const key = idempotencyKey(request, reply);
    const { writer, hasher } = services();
    const result = await writer.run({
      actor: administrator,
      key,
      requestHash: hasher.hash("DELETE /api/resources", { id }),
      work: async (client) => {
        const deleted = await deleteResource(client, id);
        return deleted ? { status: 200, body: deleted } : { status: 404, body: { id } };
      },
    });
    if (result.replayed) reply.header("idempotency-replayed", "true");
    if (result.status === 404) throw notFound(id, result.database);
    return from(reply, result.database).code(result.status).send(result.body);
  });

  app.get("/resources", async (request, reply) => {
    const query = validate(listQuerySchema, request.query);
    const { value, database } = await services().reader.run((client) => listResources(client, query));
    const last = value.items.at(-1);
    const next = value.more && last !== undefined ? encodeCursor(last) : null;
    return from(reply, database).send({ items: value.items, next });
  });

  app.get("/resources/:id", async (request, reply) => {
    const { id } = validate(idSchema, request.params);
    const { value, database } = await services().reader.run((client) => findResource(client, id));
    if (value === null) throw notFound(id, database);
    return from(reply, database).send(value);
  });

  app.get("/resources/:id/secret", async (request, reply) => {
    const { id } = validate(idSchema, request.params);
    const { reader, cipher } = services();
    const { value, database } = await reader.run((client) => findSealedSecret(client, id));
    if (value === null) throw notFound(id, database);
    return from(reply, database).send({ id, secret: cipher.open(id.toLowerCase(), value) });
  });
}

/** The client's key, or a fresh one; told in the answer, so that a request without one can be repeated too. */
function idempotencyKey(request: FastifyRequest, reply: FastifyReply): string {
  const given = request.headers["idempotency-key"];
  const key = given ?? randomUUID();
  if (typeof key !== "string" || !idempotencyKeyPattern.test(key)) {
    throw new HttpProblem(
      "invalid-input",
      400,
      "Idempotency-Key: 1 to 200 visible ASCII characters are needed.",
    );
  }
  reply.header("idempotency-key", key);
  return key;
}

function from(reply: FastifyReply, database: DatabaseName): FastifyReply {
  return reply.header("x-database", database);
}

function notFound(id: string, database: DatabaseName): HttpProblem {
  return new HttpProblem("not-found", 404, `There is no resource ${id} in the database ${database}.`);
}
