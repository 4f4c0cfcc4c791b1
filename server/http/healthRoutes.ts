import { databaseRole } from "../databases/view.ts";
import { healthPaths, healthStatus } from "../health.ts";
import { version } from "../version.ts";
import type { App } from "./app.ts";
import type { Services } from "./services.ts";

/** Health and witness: no sign-in, no secret, no query; answered from what the watcher has seen. */
export function healthRoutes(app: App, services: () => Services): void {
  for (const path of healthPaths) {
    app.get(path, { logLevel: "warn" }, (_request, reply) => {
      const health = services().health();
      return reply
        .code(healthStatus(path, health))
        .header("cache-control", "no-store")
        .send(healthBody(services()));
    });
  }

  app.get("/witness", { logLevel: "warn" }, (_request, reply) => {
    return reply.header("cache-control", "no-store").send({
      ...witnessBody(services()),
      observedAt: new Date().toISOString(),
    });
  });
}

/** What a server says of itself. */
export function healthBody(services: Services) {
  const { health, cipher, cluster, schema, startedAt } = services;
  const { since, observedAt, ...rest } = health();
  return {
    ...rest,
    since: new Date(since).toISOString(),
    startedAt: new Date(startedAt).toISOString(),
    observedAt: isoTime(observedAt),
    problem: cluster.refusals.problem,
    pack: { version, keyFingerprint: cipher.keyId, schema: schema().at(-1) ?? null },
  };
}

/** What a server knows of the others: timelines for the guard, and whom it reaches for the High availability page. */
export function witnessBody(services: Services) {
  const { config, cluster, witness, monitor, alerts, host } = services;
  const { views, choice } = cluster.state;
  const writable = views.find(({ name }) => name === choice.writable);
  const systemId = writable?.systemId ?? witness.systemId;
  const target = config.databases.find(({ name }) => name === writable?.name);
  return {
    server: config.server.id,
    systemId,
    highestTimeline: witness.highestTimeline(systemId),
    writable:
      writable === undefined || target === undefined
        ? null
        : {
            database: writable.name,
            address: target.address,
            port: target.port,
            systemId: writable.systemId,
            timeline: writable.timeline,
            observedAt: isoTime(writable.observedAt),
          },
    refused: choice.refused,
    conflict: choice.conflict,
    databases: views.map((view) => ({
      database: view.name,
      reachable: view.reachable,
      role: databaseRole(view),
      systemId: view.systemId,
      timeline: view.timeline,
      observedAt: isoTime(view.observedAt),
    })),
    self: healthBody(services),
    servers: monitor.reached,
    host: host(),
    ...(alerts.shared === undefined ? {} : { alerts: alerts.shared }),
  };
}

function isoTime(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}
