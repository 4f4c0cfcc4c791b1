import { PassThrough } from "node:stream";
import { z } from "zod";
import { historySchema, type Overview, overviewSchema } from "../overview/schema.ts";
import type { App } from "./app.ts";
import type { Operations } from "./operation.ts";
import type { Services } from "./services.ts";

/** A stream of events ends after so long, and browsers ask again: whoever may no longer listen is found out then. */
const longestSeconds = 60;
/** A listener that takes so little is let go. */
const unreadBytes = 512 * 1024;

/** What this server sees of the whole deployment: now, as it changes, and of the last hours. */
export function highAvailabilityOperations(app: App, api: Operations, services: () => Services): void {
  const open = new Set<() => void>();
  // Otherwise a server that stops would wait for its listeners.
  app.addHook("preClose", async () => {
    for (const end of open) end();
  });

  api.add({
    method: "GET",
    path: "/api/high-availability",
    id: "readHighAvailability",
    summary: "Servers, databases and gateway as this server sees them now",
    access: "signed-in",
    answers: { 200: { description: "One set of observations, one verdict", schema: overviewSchema } },
    handle: ({ reply }) => reply.send(services().monitor.overview()),
  });

  api.add({
    method: "GET",
    path: "/api/high-availability/history",
    id: "readLagHistory",
    summary: "How far the standby was behind in the last six hours, as this server remembers it",
    access: "signed-in",
    answers: { 200: { description: "The worst of each quarter of a minute", schema: historySchema } },
    handle: ({ reply }) => reply.send(services().monitor.history),
  });

  api.add({
    method: "GET",
    path: "/api/high-availability/events",
    id: "watchHighAvailability",
    summary: "The same overview at every change, and each second as a heart beat",
    access: "signed-in",
    longestSeconds: longestSeconds + 10,
    query: z.strictObject({
      seconds: z.coerce.number().int().min(1).max(longestSeconds).default(longestSeconds).meta({
        description: "How long to listen; a browser connects again by itself",
      }),
    }),
    answers: {
      200: { description: "Server-sent events", contentType: "text/event-stream", schema: z.string() },
    },
    handle: ({ query: { seconds }, reply }) => {
      const { monitor } = services();
      const stream = new PassThrough();
      const send = (overview: Overview): void => {
        if (stream.writableLength > unreadBytes) stream.destroy();
        else stream.write(`event: overview\ndata: ${JSON.stringify(overview)}\n\n`);
      };
      const unsubscribe = monitor.subscribe(send);
      const forget = (): void => {
        clearTimeout(timer);
        unsubscribe();
        open.delete(end);
      };
      // Nothing more is written from then on, also while the listener has not read everything yet.
      const end = (): void => {
        forget();
        stream.end();
      };
      const timer = setTimeout(end, seconds * 1000);
      open.add(end);
      stream.once("close", forget);
      stream.write("retry: 500\n\n");
      send(monitor.overview());
      return reply.type("text/event-stream").send(stream);
    },
  });
}
