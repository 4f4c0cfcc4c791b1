import { z } from "zod";
import { findLease } from "../schedule/lease.ts";
import { taskNames, tasksWith } from "../schedule/tasks.ts";
import type { Operations } from "./operation.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";
import { from, idempotencyKey, writeOnce } from "./writing.ts";

const tasksSchema = z.object({
  runsOn: z
    .object({ server: z.string(), since: z.iso.datetime() })
    .nullable()
    .meta({ description: "The server that runs scheduled work now; null if none does" }),
  tasks: z.array(
    z.object({
      name: z.enum(taskNames),
      schedule: z.string().meta({ description: "UTC" }),
      summary: z.string(),
    }),
  ),
});

const requestedSchema = z.object({ task: z.enum(taskNames) });

/** Scheduled work: what there is, who runs it, and a run out of turn. */
export function taskOperations(api: Operations, services: () => Services): void {
  api.add({
    method: "GET",
    path: "/api/tasks",
    id: "listTasks",
    summary: "Scheduled work, and the server that runs it",
    access: "audit.read",
    needsVault: true,
    answers: { 200: { description: "Its runs are audit events of the kind task", schema: tasksSchema } },
    handle: async ({ reply }) => {
      const { value, database } = await services().reader.run(findLease);
      return from(reply, database).send({
        runsOn: value === null ? null : { server: value.server, since: value.since },
        tasks: tasksWith(services().config.backups).map(([name, { schedule, summary }]) => ({
          name,
          schedule,
          summary,
        })),
      });
    },
  });

  api.add({
    method: "POST",
    path: "/api/tasks/{task}/run",
    id: "runTask",
    summary: "Run a task now, on the server that runs scheduled work",
    access: "tasks.run",
    needsVault: true,
    writes: true,
    params: z.strictObject({ task: z.enum(taskNames) }),
    audit: { kind: "task", operation: "task.request" },
    answers: { 202: { description: "It is run within seconds", schema: requestedSchema } },
    problems: [409],
    handle: async ({ params: { task }, request, reply }) => {
      if (!tasksWith(services().config.backups).some(([name]) => name === task))
        throw new HttpProblem(
          "conflict",
          409,
          "No backups are made here: the setting backups has no schedule.",
        );
      await writeOnce(
        services(),
        { request, reply },
        {
          operation: "POST /api/tasks/run",
          input: { task },
          object: task,
          key: idempotencyKey(request, reply),
          work: async (client) => {
            await client.query("select graphile_worker.add_job($1)", [task]);
            return { status: 202, body: { task } };
          },
        },
      );
      return reply.code(202).send({ task });
    },
  });
}
