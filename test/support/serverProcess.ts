import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { join } from "node:path";
import type { z } from "zod";
import type { alertSettingsSchema } from "../../core/alerts/settings.ts";
import type { ServerConfigInput } from "../../core/serverConfig.ts";
import type { ServerName } from "../../core/vocabulary.ts";
import type { TestAuthority } from "./serverPki.ts";
import { freePort } from "./serverPostgres.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  // Bodies differ by endpoint; the tests look at the fields that they mean.
  readonly body: Record<string, unknown>;
}

export interface ServerProcessOptions {
  readonly folder: string;
  /** The bundled program. */
  readonly program: string;
  readonly id: ServerName;
  readonly authority: TestAuthority;
  readonly databases: ServerConfigInput["databases"];
  /** @default one that nobody uses */
  readonly port?: number;
  readonly deployment?: ServerConfigInput["deployment"];
  readonly token: string;
  readonly encryptionKey: Buffer;
  readonly passwords: { readonly application: string; readonly migration: string };
  readonly writeHoldSeconds?: number;
  readonly logLevel?: "debug" | "info";
  /** What is not the default of `alerts.json`; without it there is no such file. */
  readonly alerts?: z.input<typeof alertSettingsSchema>;
}

/** The real program as a process of its own, with its own folder of files. */
export class ServerProcess {
  readonly #options: ServerProcessOptions;
  readonly #agent: Agent;
  #child: ChildProcess | null = null;
  #ended: Promise<number | null> = Promise.resolve(null);
  port = 0;
  /** All that it has written. */
  output = "";

  constructor(options: ServerProcessOptions) {
    this.#options = options;
    this.#agent = new Agent({ ca: options.authority.ca, keepAlive: true, maxSockets: 64 });
  }

  /** Of the running process. */
  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.#options.id} does not run`);
    return this.#child.pid;
  }

  get folder(): string {
    return join(this.#options.folder, this.#options.id);
  }

  /** Writes configuration and files. Called again, it changes them. */
  async configure(changes: Partial<ServerProcessOptions> = {}): Promise<void> {
    const {
      id,
      authority,
      databases,
      port,
      deployment,
      token,
      encryptionKey,
      passwords,
      writeHoldSeconds,
      logLevel,
      alerts,
    } = {
      ...this.#options,
      ...changes,
    };
    if (this.port === 0) this.port = port ?? (await freePort());
    const file = (name: string): string => join(this.folder, name);
    const tls = await authority.issue(id);
    const config: ServerConfigInput = {
      stack: "test",
      server: { id, displayName: id },
      listen: {
        address: "127.0.0.1",
        port: this.port,
        certificateFile: file("tls.crt"),
        keyFile: file("tls.key"),
      },
      databases,
      ...(deployment === undefined ? {} : { deployment }),
      postgres: {
        database: "vault",
        caFile: file("ca.crt"),
        application: { user: "application", passwordFile: file("application") },
        migration: { user: "migration", passwordFile: file("migration") },
      },
      encryptionKeyFile: file("key"),
      adminTokenHashFile: file("token.sha256"),
      stateDirectory: file("state"),
      writeHoldSeconds: writeHoldSeconds ?? 5,
      logLevel: logLevel ?? "debug",
      ...(alerts === undefined ? {} : { alertsFile: file("alerts.json") }),
    };
    await mkdir(this.folder, { recursive: true });
    await Promise.all([
      writeFile(file("server.json"), JSON.stringify(config)),
      writeFile(file("tls.crt"), tls.certificate),
      writeFile(file("tls.key"), tls.key),
      writeFile(file("ca.crt"), authority.ca),
      writeFile(file("application"), passwords.application),
      writeFile(file("migration"), passwords.migration),
      alerts === undefined ? null : writeFile(file("alerts.json"), JSON.stringify(alerts)),
      writeFile(file("key"), encryptionKey.toString("base64")),
      writeFile(file("token.sha256"), createHash("sha256").update(token).digest("hex")),
    ]);
  }

  start(): void {
    const child = spawn(
      process.execPath,
      [this.#options.program, "--config", join(this.folder, "server.json")],
      {
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** The exit code, once it has ended. */
  ended(): Promise<number | null> {
    return this.#ended;
  }

  /** Ends it in an orderly way, if it runs; gives the exit code. */
  async stop(): Promise<number | null> {
    this.signal("SIGTERM");
    return await this.#ended;
  }

  /** Sends a request, signed in unless `headers` says otherwise. */
  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const { text, ...answer } = await this.request(method, path, body, headers);
    return { ...answer, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
  }

  /** The text of a GET that is no JSON. */
  async text(path: string): Promise<string> {
    return (await this.request("GET", path, undefined, {})).text;
  }

  /** Sends a request, and gives the answer's text as it is. */
  request(
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
  ): Promise<Omit<Answer, "body"> & { readonly text: string }> {
    const payload = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: "127.0.0.1",
          port: this.port,
          method,
          path,
          agent: this.#agent,
          timeout: 30_000,
          headers: {
            authorization: `Bearer ${this.#options.token}`,
            ...(payload === undefined ? {} : { "content-type": "application/json" }),
            ...headers,
          },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
          incoming.on("error", reject);
          incoming.on("end", () => {
            const text = Buffer.concat(chunks).toString();
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              text,
            });
          });
        },
      );
      outgoing.on("error", reject);
      outgoing.on("timeout", () => outgoing.destroy(new Error(`${method} ${path}: no answer within 30 s`)));
      outgoing.end(payload);
    });
  }

  /** The status of a health endpoint; 0 while nobody listens. */
  async status(path: string): Promise<number> {
    try {
      return (await this.send("GET", path)).status;
    } catch {
      return 0;
    }
  }
}
