import { z } from "zod";
import { transitionsSchema } from "../transitions/schema.ts";
import { listTransitions } from "../transitions/store.ts";
import type { Operations } from "./operation.ts";
import type { Services } from "./services.ts";
import { from } from "./writing.ts";

/** What was done to the databases, as the record of transitions has it. */
export function transitionOperations(api: Operations, services: () => Services): void {
  api.add({
    method: "GET",
    path: "/api/transitions",
    id: "listTransitions",
    summary: "Transitions with their evidence, the newest first",
    access: "audit.read",
    needsVault: true,
    query: z.strictObject({ limit: z.coerce.number().int().min(1).max(200).default(50) }),
    answers: { 200: { description: "The record", schema: transitionsSchema } },
    handle: async ({ query: { limit }, reply }) => {
      const { value, database } = await services().reader.run((client) => listTransitions(client, limit));
      return from(reply, database).send(value);
    },
  });
}
