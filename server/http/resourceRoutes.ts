import { randomBytes, randomUUID } from "node:crypto";
import type { DatabaseName } from "../../core/vocabulary.ts";
import {
  createResourceSchema,
  encodeCursor,
  idSchema,
  listQuerySchema,
  resourcePageSchema,
  resourceSchema,
  revealedSchema,
  rotateSchema,
  updateResourceSchema,
} from "../resources/schema.ts";
import {
  deleteResource,
  findResource,
  findSealedSecret,
  insertResource,
  listResources,
  rotateSecret,
  updateResource,
} from "../resources/store.ts";
import { subjectOf } from "./auditing.ts";
import { actorOf } from "./authentication.ts";
import type { Operations } from "./operation.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";
import { from, idempotencyKey, writeOnce } from "./writing.ts";

const revealAudit = { kind: "resource", operation: "resource.reveal" } as const;
const read = { access: "resources.read", needsVault: true } as const;
const write = { access: "resources.write", needsVault: true, writes: true } as const;

/** The vault's resources. Every answer says in `X-Database` which database it came from. */
export function resourceOperations(api: Operations, services: () => Services): void {
  api.add({
    ...write,
    method: "POST",
    path: "/api/resources",
    id: "createResource",
    audit: { kind: "resource", operation: "resource.create" },
    summary: "Store a secret",
    body: createResourceSchema,
    answers: { 201: { description: "It is stored", schema: resourceSchema } },
    handle: async ({ body, request, reply }) => {
      const key = idempotencyKey(request, reply);
      const id = randomUUID();
      const { name, account, secret, rotateEveryDays = null } = body;
      const sealed = services().cipher.seal(id, secret);
      const result = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "POST /api/resources",
          input: body,
          key,
          work: async (client) => ({
            status: 201,
            body: await insertResource(client, { id, name, account, rotateEveryDays, sealed }),
          }),
        },
      );
      if ("id" in result.body) reply.header("location", `/api/resources/${String(result.body.id)}`);
      return reply.code(result.status).send(result.body);
    },
  });

  api.add({
    ...write,
    params: idSchema,
    method: "PATCH",
    path: "/api/resources/{id}",
    id: "updateResource",
    audit: { kind: "resource", operation: "resource.update" },
    summary: "Change what is not secret",
    body: updateResourceSchema,
    answers: { 200: { description: "The resource as it is now", schema: resourceSchema } },
    handle: async ({ params: { id }, body, request, reply }) => {
      const result = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "PATCH /api/resources",
          object: id,
          details: { fields: Object.keys(body) },
          input: { id, ...body },
          key: idempotencyKey(request, reply),
          work: async (client, database) => {
            const resource = await updateResource(client, id, body);
            if (resource === null) throw notFound(id, database);
            return { status: 200, body: resource };
          },
        },
      );
      return reply.code(result.status).send(result.body);
    },
  });

  api.add({
    ...write,
    params: idSchema,
    method: "POST",
    path: "/api/resources/{id}/rotate",
    id: "rotateSecret",
    audit: { kind: "resource", operation: "resource.rotate" },
    summary: "Replace the secret: by the one given, else by one that is made",
    body: rotateSchema,
    answers: { 200: { description: "The resource, without its secret", schema: resourceSchema } },
    handle: async ({ params: { id }, body, request, reply }) => {
      const secret = body.secret ?? randomBytes(24).toString("base64url");
      const sealed = services().cipher.seal(id.toLowerCase(), secret);
      const result = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "POST /api/resources/rotate",
          object: id,
          input: { id, ...body },
          key: idempotencyKey(request, reply),
          work: async (client, database) => {
            const resource = await rotateSecret(client, id, sealed);
            if (resource === null) throw notFound(id, database);
            return { status: 200, body: resource };
          },
        },
      );
      return reply.code(result.status).send(result.body);
    },
  });

  api.add({
    ...write,
    params: idSchema,
    method: "DELETE",
    path: "/api/resources/{id}",
    id: "deleteResource",
    audit: { kind: "resource", operation: "resource.delete" },
    summary: "Delete a resource with its secret",
    answers: { 200: { description: "What it was", schema: resourceSchema } },
    handle: async ({ params: { id }, request, reply }) => {
      const result = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "DELETE /api/resources",
          object: id,
          input: { id },
          key: idempotencyKey(request, reply),
          work: async (client, database) => {
            const deleted = await deleteResource(client, id);
            if (deleted === null) throw notFound(id, database);
            return { status: 200, body: deleted };
          },
        },
      );
      return reply.code(result.status).send(result.body);
    },
  });

  api.add({
    ...read,
    method: "GET",
    path: "/api/resources",
    id: "listResources",
    summary: "List and search resources, in order of their names",
    query: listQuerySchema,
    answers: { 200: { description: "One page", schema: resourcePageSchema } },
    handle: async ({ query, reply }) => {
      const { value, database } = await services().reader.run((client) => listResources(client, query));
      const last = value.items.at(-1);
      const next = value.more && last !== undefined ? encodeCursor(last) : null;
      return from(reply, database).send({ items: value.items, next });
    },
  });

  api.add({
    ...read,
    params: idSchema,
    method: "GET",
    path: "/api/resources/{id}",
    id: "readResource",
    summary: "A resource, without its secret",
    answers: { 200: { description: "The resource", schema: resourceSchema } },
    handle: async ({ params: { id }, reply }) => {
      const { value, database } = await services().reader.run((client) => findResource(client, id));
      if (value === null) throw notFound(id, database);
      return from(reply, database).send(value);
    },
  });

  api.add({
    access: "secrets.reveal",
    needsVault: true,
    params: idSchema,
    method: "GET",
    path: "/api/resources/{id}/secret",
    audit: revealAudit,
    id: "revealSecret",
    summary: "Reveal a secret",
    answers: { 200: { description: "The secret", schema: revealedSchema } },
    handle: async ({ params: { id }, request, reply }) => {
      const { reader, cipher, trail } = services();
      const { value, database } = await reader.run((client) => findSealedSecret(client, id));
      if (value === null) throw notFound(id, database);
      const secret = cipher.open(id.toLowerCase(), value);
      // Nobody sees it unless the audit says so.
      const subject = subjectOf(request, actorOf(request), revealAudit, {
        object: id,
        objectName: value.name,
      });
      await trail.add(subject, "success");
      return from(reply, database).send({ id, secret });
    },
  });
}

function notFound(id: string, database: DatabaseName): HttpProblem {
  return new HttpProblem("not-found", 404, `There is no resource ${id} in the database ${database}.`);
}
