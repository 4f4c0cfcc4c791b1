import type Docker from "dockerode";
import type { Override } from "../../core/autoConf.ts";
import { ownCertificate } from "../../core/certificateFindings.ts";
import type { Password } from "../../core/credentials.ts";
import {
  type ApplicationObservation,
  type ContainerObservation,
  type DatabaseObservation,
  known,
  type Observation,
  type Observed,
  type PostgresObservation,
  type ServerHealth,
  type ServerObservation,
  unknown,
} from "../../core/observation.ts";
import { type DatabaseNode, ownNodes, type ServerNode, type Topology } from "../../core/topology.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { connectEngine, lookAtEngine } from "../docker/engine.ts";
import { observeApplicationHealth } from "./applications.ts";
import { observeBackup } from "./backups.ts";
import { authorityCertificate, observeCertificate } from "./certificate.ts";
import { messageOf, observeContainer, observeNetwork } from "./container.ts";
import { GivenIntents } from "./givenIntents.ts";
import { type NodeObservation, observeNode, observeNodeDown } from "./node.ts";
import { observeOverrides } from "./overrides.ts";
import { connectDatabase, type DatabaseAccess, observePostgres } from "./postgres.ts";
import { observeServerHealth, observeWitness } from "./server.ts";
import type { Queryable } from "./sharedConnection.ts";
import { Silence } from "./silence.ts";

/** With what a deployment is observed: read-only rights suffice. */
export interface ObserverAccess {
  /** The stack's own authority, PEM. */
  readonly caCertificate: string;
  /** Whom clients trust: that, and the authority of a certificate of one's own. */
  readonly clientTrust?: string;
  readonly monitoringPassword: Password;
}

/** A connection to a database that stands already; undefined where there is none. */
export type ConnectionTo = (name: DatabaseName) => Queryable | undefined;

/**
 * What an observation is for. Before a step of a transition only that is asked which the plan rests on: writes may be
 * waiting.
 */
export type Purpose = "status" | "plan";

/** How a deployment is observed. */
export interface Look {
  readonly purpose: Purpose;
  /** Nodes that are not asked because they did not answer a moment ago; those that do not now are added. */
  readonly silence: Silence;
  /** A connection to a database that stands already and may be asked, where there is one. */
  readonly connectionTo: ConnectionTo;
  /** What databases that are down were told by whoever looks. */
  readonly given: GivenIntents;
}

/**
 * Observes every node of a deployment at once. Never throws: what cannot be asked is unknown, with the reason. Takes a few
 * seconds at most, also where a host has vanished: every question has a time limit, and none waits for another.
 */
export async function observe(
  topology: Topology,
  access: ObserverAccess,
  {
    purpose = "status",
    silence = new Silence(),
    connectionTo = () => undefined,
    given = new GivenIntents(),
  }: Partial<Look> = {},
): Promise<Observation> {
  const look: Look = { purpose, silence, connectionTo, given };
  const observedAt = new Date().toISOString();
  const [databases, servers, applications, gateway, networks, certificates, backup] = await Promise.all([
    Promise.all(topology.databases.map((database) => observeDatabase(database, access, look))),
    Promise.all(topology.servers.map((server) => observeServer(server, access, look))),
    purpose === "plan" ? [] : observeApplications(topology),
    purpose === "plan"
      ? notAsked<ContainerObservation>()
      : observeContainer(lookAt(topology.gateway), topology.gateway.host.network),
    Promise.all(
      (purpose === "plan" ? [] : topology.hosts).map(async ({ name, docker, network }) => ({
        host: name,
        network,
        state: await observeNetwork(lookAtEngine(docker), network),
      })),
    ),
    purpose === "plan" ? [] : observeCertificates(topology, access),
    purpose === "plan" ? null : observeBackup(topology, access),
  ]);
  return { observedAt, databases, servers, applications, gateway, networks, certificates, backup };
}

/** Of every node that the project itself lets speak TLS: what an application of one's own presents is its own matter. */
async function observeCertificates(
  topology: Topology,
  { caCertificate: ca, clientTrust = ca }: ObserverAccess,
): Promise<Observation["certificates"]> {
  const { gateway } = topology;
  const [nodes, own] = await Promise.all([
    Promise.all(
      ownNodes(topology).map(async (node) => ({ of: node.node, seen: await observeCertificate(node, ca) })),
    ),
    gateway.hasOwnCertificate
      ? [{ of: ownCertificate, seen: await observeCertificate(gateway, clientTrust, gateway.address) }]
      : [],
  ]);
  return [...nodes, { of: "authority", seen: authorityCertificate(ca) }, ...own];
}

function notAsked<T>(): Observed<T> {
  return unknown("not asked, no plan rests on it");
}

/** The container of a node, on the engine of its host. */
export function containerOf(node: {
  readonly host: { readonly docker: string };
  readonly containerName: string;
}): Docker.Container {
  return connectEngine(node.host.docker).getContainer(node.containerName);
}

/** The same only to be looked at. */
export function lookAt(node: {
  readonly host: { readonly docker: string };
  readonly containerName: string;
}): Docker.Container {
  return lookAtEngine(node.host.docker).getContainer(node.containerName);
}

async function observeDatabase(
  database: DatabaseNode,
  access: ObserverAccess,
  look: Look,
): Promise<DatabaseObservation> {
  const { purpose, silence, connectionTo } = look;
  const observedAt = new Date().toISOString();
  const container = lookAt(database);
  const connection = connectionTo(database.name);
  const seen = observeContainer(container, database.host.network);
  const [state, node, overrides, postgres] = await Promise.all([
    seen,
    askNode(database, connection, seen, look),
    purpose === "plan" ? notAsked<readonly Override[]>() : observeOverrides(container),
    askPostgres(
      database,
      { ca: access.caCertificate, user: "monitoring", password: access.monitoringPassword },
      silence,
      connection,
    ),
  ]);
  return {
    name: database.name,
    observedAt,
    container: state,
    ...node,
    overrides,
    postgres,
  };
}

async function askNode(
  database: DatabaseNode,
  connection: Queryable | undefined,
  seen: Promise<Observed<ContainerObservation>>,
  { purpose, given }: Look,
): Promise<NodeObservation> {
  const container = lookAt(database);
  if (connection || purpose === "status") return observeNode(container, connection);
  const state = await seen;
  return state.known && state.value.state === "stopped"
    ? observeNodeDown(container, given.of(database.node, state.value.since ?? ""))
    : observeNode(container, connection);
}

async function observeServer(
  server: ServerNode,
  access: ObserverAccess,
  { purpose, silence }: Look,
): Promise<ServerObservation> {
  const observedAt = new Date().toISOString();
  const [container, health, witness] = await Promise.all([
    purpose === "plan"
      ? notAsked<ContainerObservation>()
      : observeContainer(lookAt(server), server.host.network),
    purpose === "plan" ? notAsked<ServerHealth>() : observeServerHealth(server, access.caCertificate),
    observeWitness(server, access.caCertificate, silence),
  ]);
  return { name: server.name, observedAt, container, health, witness };
}

/** One's own applications: their containers, and what the gateway finds of them. */
async function observeApplications(topology: Topology): Promise<readonly ApplicationObservation[]> {
  if (topology.applications.length === 0) return [];
  const observedAt = new Date().toISOString();
  const [health, ...containers] = await Promise.all([
    observeApplicationHealth(lookAt(topology.gateway)),
    ...topology.applications.map((node) => observeContainer(lookAt(node), node.host.network)),
  ]);
  return topology.applications.map(({ name }, index) => ({
    name,
    observedAt,
    container: containers[index] ?? unknown("not observed"),
    health: health.get(name) ?? unknown("the gateway does not know of it"),
  }));
}

async function askPostgres(
  database: DatabaseNode,
  access: DatabaseAccess,
  silence: Silence,
  connection: Queryable | undefined,
): Promise<Observed<PostgresObservation>> {
  try {
    if (connection) return known(await silence.ask(database.node, () => observePostgres(connection)));
  } catch {
    // It may have broken since; a new one says what is the case, unless nobody answered at all.
  }
  try {
    const client = await silence.ask(database.node, () => connectDatabase(database, access));
    try {
      return known(await observePostgres(client));
    } finally {
      await client.end();
    }
  } catch (error) {
    return unknown(`PostgreSQL does not answer (${messageOf(error)})`);
  }
}
