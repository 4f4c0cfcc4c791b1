import { z } from "zod";
import { serverNames } from "../../core/vocabulary.ts";
import { roles } from "../accounts/roles.ts";
import { listStarts } from "../audit/store.ts";
import { version } from "../version.ts";
import { actorOf } from "./authentication.ts";
import { openApiDocument } from "./openApi.ts";
import type { Operations } from "./operation.ts";
import type { Services } from "./services.ts";
import { from } from "./writing.ts";

const whoamiSchema = z.object({
  actor: z.string(),
  role: z.enum(roles),
  authentication: z.enum(["deployment-token", "token", "session"]),
  server: z.object({ id: z.enum(serverNames), displayName: z.string() }),
});

const versionSchema = z.object({
  version: z.string(),
  node: z.string(),
  keyFingerprint: z.string(),
  schema: z.array(z.string()),
  servers: z
    .array(
      z.object({
        server: z.string(),
        startedAt: z.iso.datetime(),
        version: z.string().nullable(),
        keyFingerprint: z.string().nullable(),
      }),
    )
    .meta({ description: "What each server was when it started last: it has to be the same everywhere" }),
});

/** What a caller can learn of the server and of its API. */
export function statusOperations(api: Operations, services: () => Services): void {
  api.add({
    method: "GET",
    path: "/api/whoami",
    id: "whoami",
    summary: "Who is signed in, at which server",
    access: "signed-in",
    answers: { 200: { description: "Actor and server", schema: whoamiSchema } },
    handle: ({ request, reply }) => {
      const { config, names } = services();
      const { name, role, authentication } = actorOf(request);
      const displayName = names.all.get(config.server.id) ?? config.server.displayName;
      return reply.send({ actor: name, role, authentication, server: { ...config.server, displayName } });
    },
  });

  api.add({
    method: "GET",
    path: "/api/version",
    id: "version",
    summary: "What has to be equal on all servers",
    access: "signed-in",
    needsVault: true,
    answers: { 200: { description: "Versions, fingerprint of the key, migrations", schema: versionSchema } },
    handle: async ({ reply }) => {
      const { cipher, schema, reader } = services();
      const { value: servers, database } = await reader.run(listStarts);
      const own = { version, node: process.version, keyFingerprint: cipher.keyId, schema: schema() };
      return from(reply, database).send({ ...own, servers });
    },
  });

  let document: string | null = null;
  api.add({
    method: "GET",
    path: "/api/openapi.json",
    id: "openApi",
    summary: "This document",
    access: "anyone",
    answers: { 200: { description: "OpenAPI 3.1", schema: z.looseObject({ openapi: z.string() }) } },
    handle: ({ reply }) => {
      document ??= JSON.stringify(openApiDocument(api.all));
      return reply.type("application/json; charset=utf-8").send(document);
    },
  });
}
