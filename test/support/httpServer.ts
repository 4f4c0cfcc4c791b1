import { createHash, randomBytes } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import type { AddressInfo } from "node:net";
import type { PoolClient } from "pg";
import { pino } from "pino";
import { Directory } from "../../server/accounts/directory.ts";
import type { AuditEvent, AuditOutcome, AuditSubject } from "../../server/audit/event.ts";
import type { Reader } from "../../server/databases/reader.ts";
import { createApp } from "../../server/http/app.ts";
import type { Services } from "../../server/http/services.ts";
import { keyed } from "../../server/keyed.ts";
import { createAuthority } from "./serverPki.ts";

/** What the databases would do. */
export interface HttpServerParts {
  readonly requestTimeoutSeconds?: number | (() => number);
  /** Answers every read. */
  readonly read?: (work: (client: PoolClient) => Promise<unknown>) => Promise<unknown>;
  readonly writer?: Pick<Services["writer"], "run">;
  readonly monitor?: Partial<Services["monitor"]>;
}

/** The HTTP server itself, with keys of its own, without any database: what it would ask of one is answered here. */
export class HttpServer {
  readonly services: Services;
  readonly token = randomBytes(32).toString("base64url");
  /** What the audit was told. */
  readonly events: (AuditSubject & { readonly outcome: AuditOutcome })[] = [];
  readonly #app: Awaited<ReturnType<typeof createApp>>;
  readonly #agent: Agent;

  private constructor(
    app: Awaited<ReturnType<typeof createApp>>,
    services: Services,
    ca: string,
    token: string,
    events: HttpServer["events"],
  ) {
    this.#app = app;
    this.services = services;
    this.token = token;
    this.events = events;
    this.#agent = new Agent({ ca, servername: "primary", keepAlive: false });
  }

  static async start(parts: HttpServerParts = {}): Promise<HttpServer> {
    const authority = await createAuthority();
    const { certificate, key } = await authority.issue("primary");
    const token = randomBytes(32).toString("base64url");
    const events: HttpServer["events"] = [];
    const log = pino({ level: "silent" });
    const reader = {
      run: async (work: (client: PoolClient) => Promise<unknown>) => {
        if (parts.read === undefined) throw new Error("the database was asked");
        return { value: await parts.read(work), database: "shared" };
      },
    } as unknown as Reader;
    const trail = {
      begin: async (subject: AuditSubject) => ({
        finished: (outcome: AuditOutcome, more = {}) => ({ ...subject, ...more, outcome }),
      }),
      add: async (subject: AuditSubject, outcome: AuditOutcome) => void events.push({ ...subject, outcome }),
      record: async (event: AuditEvent) => void events.push(event),
      stored: (event: AuditEvent) => void events.push(event),
    };
    const services = {
      ...keyed([randomBytes(32)]),
      log,
      reader,
      writer: parts.writer,
      trail,
      directory: new Directory(reader),
      adminTokenHashes: [createHash("sha256").update(token).digest()],
      ready: () => true,
      readySoon: async () => true,
      health: () => ({ state: "read-write" }),
      monitor: parts.monitor,
    } as unknown as Services;
    const { requestTimeoutSeconds: limit = 10 } = parts;
    const app = await createApp({
      certificate,
      key,
      server: "primary",
      trustedProxies: [],
      requestTimeoutSeconds: typeof limit === "function" ? limit : () => limit,
      log,
      pages: [],
      services: () => services,
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
    return new HttpServer(app, services, authority.ca, token, events);
  }

  /** Sends a request, signed in with the deployment's token unless `headers` says otherwise. */
  send(
    method: string,
    path: string,
    body?: unknown,
    headers: RequestOptions["headers"] = {},
  ): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string }> {
    const { port } = this.#app.server.address() as AddressInfo;
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const type = payload === undefined ? {} : { "content-type": "application/json" };
    const own = { authorization: `Bearer ${this.token}`, ...type, ...headers };
    const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== ""));
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port, method, path, agent: this.#agent, headers: given };
      const outgoing = request(options, (incoming) => {
        let text = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (chunk: string) => {
          text += chunk;
        });
        incoming.on("error", reject);
        const { statusCode: status = 0, headers: told } = incoming;
        incoming.on("end", () => resolve({ status, headers: told, text }));
      });
      outgoing.on("error", reject);
      outgoing.end(payload);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#app.close();
    this.#agent.destroy();
  }
}
