import type Docker from "dockerode";
import { intentSchema } from "../../core/intent.ts";
import {
  type DatabaseObservation,
  known,
  type NodeStateObservation,
  type Observation,
  type Observed,
  type PostgresObservation,
  type ServerObservation,
  type StopObservation,
  unknown,
} from "../../core/observation.ts";
import { stateFolder } from "../../core/render/files.ts";
import type { DatabaseNode, ServerNode, Topology } from "../../core/topology.ts";
import { readContainerFile } from "../docker/container.ts";
import { connectEngine } from "../docker/engine.ts";
import { messageOf, observeContainer, observeNetwork } from "./container.ts";
import { observeOverrides } from "./overrides.ts";
import { connectDatabase, type DatabaseAccess, observePostgres } from "./postgres.ts";
import { observeServerHealth, observeWitness } from "./server.ts";

/** With what a deployment is observed: read-only rights suffice. */
export interface ObserverAccess {
  readonly caCertificate: string;
  readonly monitoringPassword: string;
}

/**
 * Observes every node of a deployment at once. Never throws: what cannot be asked is unknown, with the reason.
 */
export async function observe(topology: Topology, access: ObserverAccess): Promise<Observation> {
  const observedAt = new Date().toISOString();
  const [databases, servers, gateway, networks] = await Promise.all([
    Promise.all(topology.databases.map((database) => observeDatabase(database, access))),
    Promise.all(topology.servers.map((server) => observeServer(server, access))),
    observeContainer(containerOf(topology.gateway), topology.gateway.host.network),
    Promise.all(
      topology.hosts.map(async ({ name, docker, network }) => ({
        host: name,
        network,
        state: await observeNetwork(connectEngine(docker), network),
      })),
    ),
  ]);
  return { observedAt, databases, servers, gateway, networks };
}

/** The container of a node, on the engine of its host. */
export function containerOf(node: {
  readonly host: { readonly docker: string };
  readonly containerName: string;
}): Docker.Container {
  return connectEngine(node.host.docker).getContainer(node.containerName);
}

async function observeDatabase(database: DatabaseNode, access: ObserverAccess): Promise<DatabaseObservation> {
  const observedAt = new Date().toISOString();
  const container = containerOf(database);
  const [state, intent, nodeState, stop, overrides, postgres] = await Promise.all([
    observeContainer(container, database.host.network),
    readState(container, "intent.json", (text) => intentSchema.parse(JSON.parse(text))),
    readState(container, "node-state.json", (text) => JSON.parse(text) as NodeStateObservation),
    readState(container, "stopped.json", (text) => JSON.parse(text) as StopObservation),
    observeOverrides(container),
    askPostgres(database, {
      ca: access.caCertificate,
      user: "monitoring",
      password: access.monitoringPassword,
    }),
  ]);
  return { name: database.name, observedAt, container: state, intent, nodeState, stop, overrides, postgres };
}

async function observeServer(server: ServerNode, access: ObserverAccess): Promise<ServerObservation> {
  const observedAt = new Date().toISOString();
  const [container, health, witness] = await Promise.all([
    observeContainer(containerOf(server), server.host.network),
    observeServerHealth(server, access.caCertificate),
    observeWitness(server, access.caCertificate),
  ]);
  return { name: server.name, observedAt, container, health, witness };
}

async function readState<T>(
  container: Docker.Container,
  file: string,
  parse: (text: string) => T,
): Promise<Observed<T | undefined>> {
  try {
    const text = await readContainerFile(container, `${stateFolder}/${file}`);
    return known(text === undefined ? undefined : parse(text));
  } catch (error) {
    return unknown(`${file} cannot be read (${messageOf(error)})`);
  }
}

async function askPostgres(
  database: DatabaseNode,
  access: DatabaseAccess,
): Promise<Observed<PostgresObservation>> {
  try {
    const client = await connectDatabase(database, access);
    try {
      return known(await observePostgres(client));
    } finally {
      await client.end();
    }
  } catch (error) {
    return unknown(`PostgreSQL does not answer (${messageOf(error)})`);
  }
}
