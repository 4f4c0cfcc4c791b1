import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { judge } from "../../core/status.ts";
import { type BundlePart, inTime, jsonPart } from "../../core/supportBundle/archive.ts";
import { withoutEnvironments } from "../../core/supportBundle/redact.ts";
import {
  allContainers,
  type ContainerNode,
  type DatabaseNode,
  type GatewayNode,
  type Host,
  type ServerNode,
} from "../../core/topology.ts";
import { transitionHistory } from "../cli/history.ts";
import { type DeployedStack, pulumi } from "../cli/pulumi.ts";
import { renderStatus } from "../cli/statusTable.ts";
import { connectEngine } from "../docker/engine.ts";
import { gatewayCsv } from "../observe/applications.ts";
import { messageOf } from "../observe/container.ts";
import { containerOf, observe } from "../observe/index.ts";
import { connectDatabase } from "../observe/postgres.ts";
import { ask } from "../observe/server.ts";
import { projectFolder } from "../setup/paths.ts";
import { inspected, logOf } from "./container.ts";

const engineSeconds = 5;

/** Everything that can be known of a stack from outside. `lines`: of each log at most so many. */
export function bundleParts(stack: DeployedStack, lines: number): readonly BundlePart[] {
  const { topology, access, settings } = stack;
  const observing = once(() => observe(topology, access));
  const engines = new Map(topology.hosts.map((host) => [host.name, once(() => answering(host))]));
  const reach = async (node: ContainerNode) => await engines.get(node.host.name)?.();
  return [
    jsonPart("status.json", async () => judge(topology, await observing())),
    { path: "status.txt", collect: async () => `${renderStatus(judge(topology, await observing()))}\n` },
    jsonPart("observation.json", observing),
    jsonPart("history.json", () => transitionHistory(stack, 200)),
    jsonPart("versions.json", versions),
    jsonPart("configuration/config.json", async () => configuration(stack.name)),
    jsonPart("configuration/settings.json", () => withoutEnvironments(settings)),
    jsonPart("configuration/topology.json", () => topology),
    ...topology.hosts.map((host) => jsonPart(`hosts/${host.name}.json`, () => engineOf(host))),
    ...allContainers(topology).flatMap((node) => [
      ...containerParts(node, lines, reach),
      ...partsOfKind(node, stack),
    ]),
  ];
}

function containerParts(
  node: ContainerNode,
  lines: number,
  reach: (node: ContainerNode) => Promise<unknown>,
): readonly BundlePart[] {
  const path = `nodes/${node.node}`;
  return [
    jsonPart(`${path}/inspect.json`, async () => {
      await reach(node);
      return inspected(containerOf(node));
    }),
    {
      path: `${path}/log.txt`,
      collect: async () => {
        await reach(node);
        return logOf(containerOf(node), lines);
      },
    },
  ];
}

function partsOfKind(node: ContainerNode, stack: DeployedStack): readonly BundlePart[] {
  switch (node.kind) {
    case "database":
      return databaseParts(node, stack);
    case "server":
      return serverParts(node, stack);
    case "gateway":
      return gatewayParts(node);
    case "application":
    case "backup":
      return [];
  }
}

const questions = {
  settings:
    "select name, setting, unit, source, pending_restart from pg_settings where source <> 'default' order by name",
  replication: "select * from pg_stat_replication",
  receiver: "select * from pg_stat_wal_receiver",
  slots: "select * from pg_replication_slots",
  sessions:
    "select usename, application_name, client_addr, state, wait_event_type, wait_event, count(*)::int from pg_stat_activity group by 1, 2, 3, 4, 5, 6 order by 7 desc",
  size: "select datname, pg_database_size(oid) as bytes from pg_database where datallowconn",
} as const;

function databaseParts(node: DatabaseNode, { access }: DeployedStack): readonly BundlePart[] {
  return Object.entries(questions).map(([name, sql]) =>
    jsonPart(`nodes/${node.node}/${name}.json`, async () => {
      const client = await connectDatabase(node, {
        ca: access.caCertificate,
        user: "monitoring",
        password: access.monitoringPassword,
      });
      try {
        return (await client.query(sql)).rows;
      } finally {
        await client.end();
      }
    }),
  );
}

function serverParts(node: ServerNode, { access, adminToken }: DeployedStack): readonly BundlePart[] {
  const get = async (path: string): Promise<string> => {
    const headers = { authorization: `Bearer ${adminToken}` };
    const { status, body } = await ask(node, access.caCertificate, path, { headers });
    if (status >= 400) throw new Error(`${path}: ${status} ${body}`);
    return body;
  };
  const json = (file: string, path: string) =>
    jsonPart(`nodes/${node.node}/${file}.json`, async () => JSON.parse(await get(path)) as unknown);
  return [
    json("health", "/healthz"),
    json("witness", "/witness"),
    json("high-availability", "/api/high-availability"),
    json("lag-history", "/api/high-availability/history"),
    { path: `nodes/${node.node}/metrics.txt`, collect: () => get("/metrics") },
  ];
}

function gatewayParts(node: GatewayNode): readonly BundlePart[] {
  return [{ path: "nodes/gateway/statistics.csv", collect: () => gatewayCsv(containerOf(node)) }];
}

/** @throws when the engine does not answer in time: what else is asked of it then need not wait */
async function answering({ name, docker }: Host): Promise<void> {
  try {
    await inTime(connectEngine(docker).ping(), engineSeconds);
  } catch (error) {
    throw new Error(`the Docker engine of host ${name} (${docker}) cannot be asked (${messageOf(error)})`);
  }
}

async function engineOf(host: Host): Promise<unknown> {
  await answering(host);
  const engine = connectEngine(host.docker);
  const [version, info] = await Promise.all([engine.version(), engine.info()]);
  const { OperatingSystem, KernelVersion, NCPU, MemTotal, Driver, CgroupVersion, Warnings } = info;
  return { host, version, OperatingSystem, KernelVersion, NCPU, MemTotal, Driver, CgroupVersion, Warnings };
}

async function versions(): Promise<unknown> {
  const said = async (command: string, ...args: readonly string[]) => {
    const { failed, stdout, shortMessage } = await execa(command, args, {
      cwd: projectFolder,
      reject: false,
    });
    return failed ? `unknown (${shortMessage})` : stdout.trim();
  };
  const { version } = JSON.parse(readFileSync(join(projectFolder, "package.json"), "utf8")) as {
    version: string;
  };
  const [npm, commit, changed, cli] = await Promise.all([
    said("npm", "--version"),
    said("git", "rev-parse", "HEAD"),
    said("git", "status", "--porcelain"),
    said("pulumi", "version"),
  ]);
  const { platform, arch, version: node } = process;
  return { version, commit, changed, node, npm, pulumi: cli, platform: `${platform} ${arch}` };
}

/** The stack's config as Pulumi shows it without secrets. */
async function configuration(stack: string): Promise<unknown> {
  const config = JSON.parse(await pulumi(["config", "--json"], { stack })) as Record<
    string,
    { value?: string; objectValue?: unknown; secret?: boolean }
  >;
  return withoutEnvironments(
    Object.fromEntries(
      Object.entries(config).map(([key, { value, objectValue, secret }]) => [
        key,
        secret === true ? "[secret]" : (objectValue ?? value),
      ]),
    ),
  );
}

/** Asks once, however many ask; a failure is everybody's. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask();
    return answer;
  };
}
