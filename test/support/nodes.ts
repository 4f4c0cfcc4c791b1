import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { judge, type Status } from "../../core/status.ts";
import { allNodes } from "../../core/topology.ts";
import type { DeployedStack } from "../../scripts/cli/pulumi.ts";
import { observe } from "../../scripts/observe/index.ts";
import { ask, type HttpsAnswer } from "../../scripts/observe/server.ts";
import type { Deployment } from "./deployment.ts";

/** The containers of a deployment: what a person with the docker CLI and curl could do to them. */
export class Nodes {
  readonly #stack: DeployedStack;
  readonly engineUrl: string;

  private constructor(stack: DeployedStack) {
    this.#stack = stack;
    this.engineUrl = stack.topology.gateway.host.docker;
  }

  static async of(deployment: Deployment): Promise<Nodes> {
    return new Nodes(await deployment.deployed());
  }

  /** As a client sees them that knows another token, or trusts other authorities. */
  knowing(known: { readonly adminToken?: string; readonly caCertificate?: string }): Nodes {
    const { adminToken = this.#stack.adminToken, caCertificate = this.#stack.access.caCertificate } = known;
    return new Nodes({ ...this.#stack, adminToken, access: { ...this.#stack.access, caCertificate } });
  }

  /** What its clients know of the stack. */
  get stack(): DeployedStack {
    return this.#stack;
  }

  /** All node names: `shared-database`, `primary-server`, `gateway` … */
  get names(): readonly string[] {
    return allNodes(this.#stack.topology).map(({ node }) => node);
  }

  container(node: string): string {
    return `pg-continuity-${this.#stack.name}-${node}`;
  }

  get network(): string {
    return `pg-continuity-${this.#stack.name}`;
  }

  /** Runs the docker CLI on the deployment's engine. @throws when it fails */
  async docker(...args: string[]): Promise<string> {
    const { stdout } = await execa("docker", ["--host", this.engineUrl, ...args]);
    return stdout;
  }

  /** A command inside a node; never throws for its exit code. */
  async exec(
    node: string,
    ...command: string[]
  ): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    const args = ["--host", this.engineUrl, "exec", this.container(node), ...command];
    const { exitCode, stdout, stderr } = await execa("docker", args, { reject: false });
    return { exitCode: exitCode ?? -1, stdout, stderr };
  }

  /** SQL as superuser over the node's local socket. @throws with PostgreSQL's message */
  async sql(node: string, statement: string, database = "postgres"): Promise<string> {
    const command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement];
    const { exitCode, stdout, stderr } = await this.exec(node, ...command);
    if (exitCode !== 0) throw new Error(`psql on ${node}: ${stderr.trim()}`);
    return stdout;
  }

  /** What a node has written to its log, standard error too. */
  async log(node: string): Promise<string> {
    const { all } = await execa("docker", ["--host", this.engineUrl, "logs", this.container(node)], {
      all: true,
    });
    return all;
  }

  /** A field of `docker inspect`. */
  inspect(node: string, format: string): Promise<string> {
    return this.docker("inspect", "--format", format, this.container(node));
  }

  /**
   * Ends the main process of a container as a crash does. Not `docker kill`: that counts as a person's stop, after
   * which the engine does not start the container again.
   */
  async crash(node: string): Promise<void> {
    process.kill(Number(await this.inspect(node, "{{.State.Pid}}")), "SIGKILL");
  }

  /** Container id and start time of every node: what changes when one is replaced or restarted. */
  async starts(): Promise<Readonly<Record<string, string>>> {
    const all = await Promise.all(
      this.names.map(
        async (node) => [node, await this.inspect(node, "{{.Id}} {{.State.StartedAt}}")] as const,
      ),
    );
    return Object.fromEntries(all);
  }

  /** A request to a server or the gateway as the administrator, its certificate verified. */
  request(
    node: string,
    path: string,
    options: {
      method?: string;
      body?: unknown;
      headers?: Record<string, string>;
      timeoutSeconds?: number;
    } = {},
  ): Promise<HttpsAnswer> {
    const { topology, access, adminToken } = this.#stack;
    const target = [...topology.servers, topology.gateway].find((candidate) => candidate.node === node);
    if (!target) throw new Error(`${node} is no server`);
    const { body, headers, ...rest } = options;
    return ask(target, access.caCertificate, path, {
      timeoutSeconds: 10,
      ...rest,
      headers: {
        authorization: `Bearer ${adminToken}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Stores a resource through the gateway and returns its id. */
  async store(name: string, secret: string): Promise<string> {
    const body = { name, account: "test", secret };
    const answer = await this.request("gateway", "/api/resources", { method: "POST", body });
    if (answer.status !== 201) throw new Error(`storing ${name}: ${answer.status} ${answer.body}`);
    return (JSON.parse(answer.body) as { id: string }).id;
  }

  /** Reads a secret back through a server; its text, or the status and body of the refusal. */
  async reveal(node: string, id: string): Promise<string> {
    const { status, body } = await this.request(node, `/api/resources/${id}/secret`);
    return status === 200 ? (JSON.parse(body) as { secret: string }).secret : `${status} ${body}`;
  }
}

/** Waits until `condition` holds and returns what it gave; the error tells what was seen last. */
export async function eventually<T>(
  what: string,
  condition: () => Promise<T | undefined | false>,
  seconds = 30,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let last = "it does not hold";
  while (true) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
      last = "it does not hold";
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s (${last})`);
    await sleep(100);
  }
}

/** Waits until everything is as declared. */
export async function healthy(deployment: Deployment, seconds = 30): Promise<Status> {
  let seen = "nothing";
  try {
    return await eventually(
      `${deployment.stack} is as declared`,
      async () => {
        const { topology, access } = await deployment.deployed();
        const status = judge(topology, await observe(topology, access));
        seen = JSON.stringify(status.findings);
        return status.verdict === "ok" ? status : undefined;
      },
      seconds,
    );
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}; last seen: ${seen}`);
  }
}
