import { Metrics } from "../metrics/registry.ts";
import type { App } from "./app.ts";
import type { Services } from "./services.ts";

/** `/metrics` for Prometheus: no sign-in, no secret, no query. */
export function metricsRoutes(app: App, services: () => Services): void {
  const metrics = new Metrics();
  app.get("/metrics", { logLevel: "warn" }, async (_request, reply) => {
    const { monitor, trail } = services();
    const text = await metrics.render({ overview: monitor.overview(), auditSpoolBytes: trail.spooledBytes });
    return reply.header("cache-control", "no-store").type(metrics.contentType).send(text);
  });
}
