import { randomUUID } from "node:crypto";
import type { Server as SecureServer } from "node:https";
import cookie from "@fastify/cookie";
import rateLimit from "@fastify/rate-limit";
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { Logger } from "../log.ts";
import { accountOperations } from "./accountRoutes.ts";
import { alertOperations } from "./alertRoutes.ts";
import { auditOperations } from "./auditRoutes.ts";
import { authentication, prepared, type SignIn } from "./authentication.ts";
import { addressOf, rememberAddress } from "./clientAddress.ts";
import { healthRoutes } from "./healthRoutes.ts";
import { highAvailabilityOperations } from "./highAvailabilityRoutes.ts";
import { keyOperations } from "./keyRoutes.ts";
import { metricsRoutes } from "./metricsRoutes.ts";
import { Operations } from "./operation.ts";
import { type PageFile, pageRoutes } from "./pages.ts";
import { problemFor, problemOf, sendProblem } from "./problem.ts";
import { resourceOperations } from "./resourceRoutes.ts";
import { serverOperations } from "./serverRoutes.ts";
import type { Services } from "./services.ts";
import { sessionOperations } from "./sessionRoutes.ts";
import { statusOperations } from "./statusRoutes.ts";
import { supportOperations } from "./supportRoutes.ts";
import { taskOperations } from "./taskRoutes.ts";
import { limitTime } from "./timeLimit.ts";
import { tokenOperations } from "./tokenRoutes.ts";
import { transitionOperations } from "./transitionRoutes.ts";

const bodyLimitBytes = 128 * 1024;
/** To receive a request; to answer one see `timeLimit.ts`. */
const receiveTimeoutMs = 15_000;

const securityHeaders = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "strict-transport-security": "max-age=31536000",
} as const;

/** The HTTPS server: fastify types it as HTTP. */
export type App = FastifyInstance<SecureServer>;

export interface AppOptions {
  readonly certificate: string;
  readonly key: string;
  readonly server: string;
  readonly trustedProxies: readonly string[];
  /** An upper bound for any request that comes in now, in seconds. */
  readonly requestTimeoutSeconds: () => number;
  readonly log: Logger;
  /** The built web pages; none where there are none. */
  readonly pages: readonly PageFile[];
  readonly services: () => Services;
}

/** The HTTPS server with all its routes, not listening yet. */
export async function createApp(options: AppOptions): Promise<App> {
  const { log, services, server } = options;
  const logger: FastifyBaseLogger = log;
  const app = fastify({
    https: { key: options.key, cert: options.certificate, minVersion: "TLSv1.2" },
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    bodyLimit: bodyLimitBytes,
    requestTimeout: receiveTimeoutMs,
    // Before the first request, which sets its own (timeLimit.ts).
    connectionTimeout: (options.requestTimeoutSeconds() + 5) * 1000,
    keepAliveTimeout: 60_000,
    forceCloseConnections: "idle",
    return503OnClosing: false, // requests on open connections are finished, not refused
    trustProxy: options.trustedProxies.length === 0 ? false : [...options.trustedProxies],
    routerOptions: { maxParamLength: 100 },
    frameworkErrors: (error, _request, reply) => {
      reply.headers({ ...securityHeaders, "x-served-by": server });
      void sendProblem(reply, problemOf("bad-request", error.statusCode ?? 400, error.message));
    },
    clientErrorHandler: (_error, socket) => {
      if (socket.destroyed || !socket.writable) return;
      const body = JSON.stringify(problemOf("bad-request", 400, "This is not a valid HTTP request."));
      socket.end(
        `HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nX-Served-By: ${server}\r\n` +
          `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      );
    },
  });

  await app.register(cookie);
  await app.register(rateLimit, { global: false });
  limitTime(app, options.requestTimeoutSeconds);
  app.addHook("onRequest", async (request, reply) => {
    rememberAddress(request, services().gatewayTokens);
    reply.headers({ ...securityHeaders, "x-served-by": server, "x-request-id": request.id });
  });
  // Otherwise a connection whose request is finished while the server stops would stay open, idle.
  app.addHook("onSend", async (_request, reply) => {
    if (services().health().state === "stopping") reply.header("connection", "close");
  });
  app.setErrorHandler((error, request, reply) => {
    const problem = problemFor(error);
    if (problem.status === 500) request.log.error({ err: error, reqId: request.id }, "request failed");
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, problemOf("not-found", 404, `There is no ${request.method} ${pathOf(request.url)}.`)),
  );

  healthRoutes(app, services);
  metricsRoutes(app, services);
  pageRoutes(app, options.pages);
  await app.register(async (scope: App) => apiRoutes(scope, options, authentication(app, services)));
  return app;
}

/** Everything under `/api`: signed in, logged, never cached. */
function apiRoutes(api: App, { log, services, requestTimeoutSeconds }: AppOptions, signedIn: SignIn): void {
  api.addHook("onRequest", async (request, reply) => {
    reply.header("cache-control", "no-store");
    const { access, needsVault } = request.routeOptions.config;
    if (access !== undefined && access !== "anyone") await signedIn(request, reply, access);
    // Until the key is known to be the right one, nothing is sealed or opened with it.
    if (needsVault === true) await prepared(services());
  });
  api.addHook("onResponse", async (request, reply) => {
    log.info(
      {
        reqId: request.id,
        method: request.method,
        path: pathOf(request.url),
        status: reply.statusCode,
        milliseconds: Math.round(reply.elapsedTime * 10) / 10,
        address: addressOf(request),
        database: reply.getHeader("x-database"),
      },
      "request",
    );
  });
  const operations = new Operations(api, requestTimeoutSeconds);
  statusOperations(operations, services);
  alertOperations(operations, services);
  resourceOperations(operations, services);
  sessionOperations(api, operations, services);
  accountOperations(api, operations, services);
  tokenOperations(operations, services);
  keyOperations(operations, services);
  auditOperations(operations, services);
  taskOperations(operations, services);
  highAvailabilityOperations(api, operations, services);
  serverOperations(operations, services);
  transitionOperations(operations, services);
  supportOperations(operations, services);
}

/** Without the query: it may hold what somebody searched for. */
function pathOf(url: string): string {
  return url.split("?", 1)[0] ?? "";
}
