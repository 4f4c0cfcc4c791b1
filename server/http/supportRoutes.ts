import { z } from "zod";
import { bundleName, makeBundle } from "../../core/supportBundle/archive.ts";
import { redactor } from "../../core/supportBundle/redact.ts";
import { supportParts } from "../support/parts.ts";
import { version } from "../version.ts";
import { subjectOf } from "./auditing.ts";
import { actorOf } from "./authentication.ts";
import type { Operations } from "./operation.ts";
import type { Services } from "./services.ts";

const audit = { kind: "task", operation: "support.download" } as const;
/** A part that waits for a database gets so long; all of them share one answer. */
const partSeconds = 5;

/** What helps to find out what is wrong, without secrets. Works without any database. */
export function supportOperations(api: Operations, services: () => Services): void {
  api.add({
    method: "GET",
    path: "/api/support-bundle",
    id: "downloadSupportBundle",
    summary: "What this server sees, with its log, versions and configuration, without secrets",
    access: "support.download",
    audit,
    answers: {
      200: { description: "A gzipped tar archive", contentType: "application/gzip", schema: z.string() },
    },
    handle: async ({ request, reply }) => {
      const now = services();
      const { config, trail, secrets } = now;
      const name = bundleName(`${config.stack}-${config.server.id}-server`, new Date());
      const archive = await makeBundle(supportParts(now), {
        name,
        redact: redactor(secrets()),
        about: { stack: config.stack, seenBy: `${config.server.id} server`, version, at: new Date() },
        partSeconds,
      });
      // Nobody gets it unless the audit says so.
      await trail.add(subjectOf(request, actorOf(request), audit, { object: config.server.id }), "success");
      return reply
        .type("application/gzip")
        .header("content-disposition", `attachment; filename="${name}.tar.gz"`)
        .send(archive);
    },
  });
}
