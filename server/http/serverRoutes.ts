import { z } from "zod";
import { serverNames } from "../../core/vocabulary.ts";
import { renameServer } from "../servers/names.ts";
import type { Operations } from "./operation.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";
import { line } from "./validate.ts";
import { idempotencyKey, writeOnce } from "./writing.ts";

const nameSchema = z.strictObject({ displayName: line(60) });
const namedSchema = z.object({ server: z.enum(serverNames), displayName: z.string() });

/** What can be changed of servers: their names. Nothing is restarted or replaced by it. */
export function serverOperations(api: Operations, services: () => Services): void {
  api.add({
    method: "PUT",
    path: "/api/servers/{server}/name",
    id: "renameServer",
    audit: { kind: "task", operation: "server.rename" },
    summary: "Give a server another name to show",
    access: "servers.rename",
    needsVault: true,
    writes: true,
    params: z.strictObject({ server: z.enum(serverNames) }),
    body: nameSchema,
    answers: { 200: { description: "The server with its name", schema: namedSchema } },
    handle: async ({ params: { server }, body: { displayName }, request, reply }) => {
      const { config, names } = services();
      const known = config.deployment?.servers.map(({ name }) => name) ?? [config.server.id];
      if (!known.includes(server))
        throw new HttpProblem("not-found", 404, `There is no ${server} server in this deployment.`);
      const result = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "PUT /api/servers/name",
          object: server,
          details: { displayName },
          input: { server, displayName },
          key: idempotencyKey(request, reply),
          work: async (client) => {
            await renameServer(client, server, displayName);
            return { status: 200, body: { server, displayName } };
          },
        },
      );
      await names.refresh();
      return reply.code(result.status).send(result.body);
    },
  });
}
