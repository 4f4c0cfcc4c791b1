import { z } from "zod";
import { listKeys, reencrypt } from "../resources/keys.ts";
import type { Operations } from "./operation.ts";
import type { Services } from "./services.ts";
import { from, idempotencyKey, writeOnce } from "./writing.ts";

const keysSchema = z.object({
  current: z.string(),
  keys: z.array(
    z.object({
      fingerprint: z.string(),
      createdAt: z.iso.datetime(),
      resources: z.number().int().meta({ description: "How many secrets it seals" }),
      held: z.boolean().meta({ description: "It is in this server's key file" }),
    }),
  ),
});

/** So many damaged secrets are named in one answer. */
const namedAtMost = 100;
const progressSchema = z.object({
  reencrypted: z.number().int(),
  remaining: z.number().int().meta({ description: "Still sealed by another key, damaged ones among them" }),
  damaged: z.array(z.object({ id: z.uuid(), problem: z.string() })).meta({
    description: `Cannot be opened and are left as they are; those that were met, at most ${namedAtMost}`,
  }),
});

/** The keys that seal the secrets, and their replacement while everything goes on. */
export function keyOperations(api: Operations, services: () => Services): void {
  api.add({
    method: "GET",
    path: "/api/keys",
    id: "listKeys",
    summary: "The keys that seal the secrets, by fingerprint",
    access: "keys.manage",
    needsVault: true,
    answers: {
      200: { description: "A key without secrets can be removed from the key files", schema: keysSchema },
    },
    handle: async ({ reply }) => {
      const { reader, cipher } = services();
      const { value, database } = await reader.run(listKeys);
      const held = new Set(cipher.keyIds);
      const keys = value.map((key) => ({ ...key, held: held.has(key.fingerprint) }));
      return from(reply, database).send({ current: cipher.keyId, keys });
    },
  });

  api.add({
    method: "POST",
    path: "/api/keys/re-encrypt",
    id: "reencrypt",
    audit: { kind: "task", operation: "keys.re-encrypt" },
    summary:
      "Seal up to 500 secrets again with the current key; repeat with new requests until none remain or none could be",
    access: "keys.manage",
    needsVault: true,
    writes: true,
    answers: { 200: { description: "How far it is", schema: progressSchema } },
    handle: async ({ request, reply }) => {
      const { cipher } = services();
      const { body } = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "POST /api/keys/re-encrypt",
          input: {},
          key: idempotencyKey(request, reply),
          work: async (client) => {
            const { damaged, ...progress } = await reencrypt(client, cipher);
            return { status: 200, body: { ...progress, damaged: damaged.slice(0, namedAtMost) } };
          },
          outcomeDetails: (body) => ({ ...body }),
        },
      );
      return reply.send(body);
    },
  });
}
