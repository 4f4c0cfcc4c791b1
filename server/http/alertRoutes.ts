import { z } from "zod";
import { channelNames } from "../../core/alerts/settings.ts";
import { recordIfPossible, subjectOf } from "./auditing.ts";
import { actorOf } from "./authentication.ts";
import type { Operations } from "./operation.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";

const testAudit = { kind: "task", operation: "alerts.test" } as const;

const resultsSchema = z.object({
  channels: z.array(
    z.object({
      channel: z.enum(channelNames),
      problem: z.string().nullable().meta({ description: "Null: the receiver has taken it" }),
    }),
  ),
});

/** Whether notices arrive can be tried. Needs no database. */
export function alertOperations(api: Operations, services: () => Services): void {
  api.add({
    method: "POST",
    path: "/api/alerts/test",
    id: "testAlerts",
    summary: "Send a test notice on every channel, from this server",
    access: "tasks.run",
    longestSeconds: 30,
    audit: testAudit,
    answers: { 200: { description: "What became of it on each channel", schema: resultsSchema } },
    problems: [409],
    handle: async ({ request, reply }) => {
      const channels = await services().alerts.test();
      if (channels.length === 0)
        throw new HttpProblem("conflict", 409, "No channel is configured for alerts (docs/alerts.md).");
      const failed = channels.filter(({ problem }) => problem !== null);
      const subject = subjectOf(request, actorOf(request), testAudit, { details: { channels } });
      await recordIfPossible(services(), subject, failed.length === 0 ? "success" : "failed");
      return reply.send({ channels });
    },
  });
}
