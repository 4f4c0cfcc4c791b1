import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerConfigInput } from "../../core/serverConfig.ts";
import { type ServerName, serverNames } from "../../core/vocabulary.ts";
import { putWebPages } from "../../scripts/node/webPages.ts";
import { bundleServer } from "../../server/bundle.ts";
import { createAuthority } from "./serverPki.ts";
import { freePort, TestPostgres, until } from "./serverPostgres.ts";
import { ServerProcess, type ServerProcessOptions } from "./serverProcess.ts";

/** A primary and a streaming standby with the roles of a deployment, and any number of servers as processes. */
export class ServerWorld {
  readonly postgres: TestPostgres;
  readonly options: Omit<ServerProcessOptions, "id">;
  readonly #servers: ServerProcess[] = [];
  readonly #ports: ReadonlyMap<ServerName, number>;

  private constructor(
    postgres: TestPostgres,
    options: Omit<ServerProcessOptions, "id">,
    ports: ReadonlyMap<ServerName, number>,
  ) {
    this.postgres = postgres;
    this.options = options;
    this.#ports = ports;
  }

  static async create(name: string): Promise<ServerWorld> {
    const runId = `pgc-${name}-${randomBytes(4).toString("hex")}`;
    const postgres = new TestPostgres(runId);
    const folder = await mkdtemp(join(tmpdir(), `${runId}-`));
    const program = join(folder, "server.mjs");
    const authority = await createAuthority();
    const [bundle, sharedPort, readOnlyPort, ports] = await Promise.all([
      bundleServer(),
      freePort(),
      freePort(),
      Promise.all(serverNames.map(async (id) => [id, await freePort()] as const)),
      postgres.prepare(),
    ]);
    await Promise.all([writeFile(program, bundle), putWebPages(join(folder, "web"))]);
    const passwords = {
      application: randomBytes(12).toString("hex"),
      migration: randomBytes(12).toString("hex"),
    };
    const world = new ServerWorld(
      postgres,
      {
        folder,
        program,
        authority,
        passwords,
        token: randomBytes(32).toString("base64url"),
        encryptionKey: randomBytes(32),
        databases: [
          { name: "shared", address: "127.0.0.1", port: sharedPort, certificateName: "shared" },
          { name: "read-only", address: "127.0.0.1", port: readOnlyPort, certificateName: "read-only" },
        ],
        deployment: deploymentOf(postgres, ports),
      },
      new Map(ports),
    );
    await postgres.create("shared", sharedPort, await authority.issue("shared"));
    await postgres.create("read-only", readOnlyPort, await authority.issue("read-only"), "shared");
    await postgres.docker("start", "shared");
    await postgres.ready("shared");
    for (const statement of [
      `create role application login password '${passwords.application}'`,
      `create role migration login password '${passwords.migration}'`,
      "create database vault owner migration",
    ]) {
      await postgres.sql("shared", statement);
    }
    await postgres.docker("start", "read-only");
    await postgres.ready("read-only");
    return world;
  }

  /** A server that runs and can do its duty. */
  async start(id: ServerName, changes: Partial<ServerProcessOptions> = {}): Promise<ServerProcess> {
    const server = new ServerProcess({
      ...this.options,
      port: this.#ports.get(id) ?? (await freePort()),
      ...changes,
      id,
    });
    this.#servers.push(server);
    await server.configure();
    server.start();
    await until(`${id} is ready`, async () => (await server.status(`/${id}`)) === 200);
    return server;
  }

  /** What every server has written so far. */
  get output(): string {
    return this.#servers.map(({ output }) => output).join("");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
    await this.postgres.remove();
    await rm(this.options.folder, { recursive: true, force: true });
  }
}

/** The model "full" without a gateway. */
function deploymentOf(
  postgres: TestPostgres,
  ports: readonly (readonly [ServerName, number])[],
): NonNullable<ServerConfigInput["deployment"]> {
  return {
    model: "full",
    synchronous: false,
    databases: [
      { name: "shared", slot: "shared", containerName: postgres.container("shared") },
      { name: "read-only", slot: "read_only", containerName: postgres.container("read-only") },
    ],
    servers: ports.map(([name, port]) => ({
      name,
      displayName: `${name.charAt(0).toUpperCase()}${name.slice(1)} server`,
      containerName: name,
      address: "127.0.0.1",
      port,
      certificateName: name,
    })),
    gateway: null,
  };
}
