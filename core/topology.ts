import type { Settings } from "./settings.ts";
import { type DatabaseName, type Model, models, type ServerName } from "./vocabulary.ts";

/** The port that PostgreSQL, the servers and the gateway listen on inside their containers. */
export const internalPorts = { database: 5432, server: 8443, gateway: 8443, statistics: 8404 } as const;

/** Name of the application's database. */
export const applicationDatabase = "vault";

/** A Docker engine. */
export interface Host {
  readonly name: string;
  /** URL of the engine. */
  readonly docker: string;
  /** Address at which the other hosts reach its published ports. */
  readonly address: string;
  /** The Docker network that the stack's containers on this host share. */
  readonly network: string;
}

/** What every container of the stack has in common. */
export interface Node {
  /** Name within the stack, also the DNS alias: `shared-database`, `primary-server`, `gateway`. Never a role. */
  readonly node: string;
  readonly kind: "database" | "server" | "gateway";
  readonly host: Host;
  readonly containerName: string;
  /** The volume with the node's configuration and what it has to remember. */
  readonly stateVolume: string;
  /** Where the operator's machine and other hosts reach it. */
  readonly published: { readonly address: string; readonly port: number };
  /** Every name its certificate must be valid for. */
  readonly certificateNames: readonly string[];
}

export interface DatabaseNode extends Node {
  readonly kind: "database";
  readonly name: DatabaseName;
  readonly dataVolume: string;
  /** The physical slot that feeds this database while it is a standby. */
  readonly slot: string;
}

export interface ServerNode extends Node {
  readonly kind: "server";
  readonly name: ServerName;
  readonly displayName: string;
}

export interface GatewayNode extends Node {
  readonly kind: "gateway";
  readonly statistics: { readonly address: string; readonly port: number };
}

/** Everything that is derived from the settings: which nodes there are, where, and how they reach each other. */
export interface Topology {
  readonly project: string;
  readonly stack: string;
  readonly model: Model;
  readonly hosts: readonly Host[];
  readonly databases: readonly DatabaseNode[];
  readonly servers: readonly ServerNode[];
  readonly gateway: GatewayNode;
  /** Whether a write is acknowledged only once the standby has it. */
  readonly synchronous: boolean;
  /** Any text: another one makes images with the packages of its day. */
  readonly imageRevision: string;
  /** The data volume, by its name in Pulumi, that a change may delete or replace; none where empty. */
  readonly givenUpVolume: string;
}

const databasesOf: Readonly<Record<Model, readonly DatabaseName[]>> = {
  full: ["shared", "read-only"],
  secondary: ["shared"],
  "read-only": ["shared", "read-only"],
};

const serversOf: Readonly<Record<Model, readonly ServerName[]>> = {
  full: ["primary", "secondary", "read-only"],
  secondary: ["primary", "secondary"],
  "read-only": ["primary", "read-only"],
};

const defaultDisplayNames: Readonly<Record<ServerName, string>> = {
  primary: "Primary server",
  secondary: "Secondary server",
  "read-only": "Read-only server",
};

/**
 * Derives the topology of a stack. Pure: the same settings give the same names, ports and addresses.
 *
 * @param project name of the Pulumi project, the first part of every physical name
 * @param stack name of the stack, the second part
 */
export function deriveTopology(project: string, stack: string, settings: Settings): Topology {
  const prefix = `${project}-${stack}`;
  const hosts = Object.entries(settings.hosts).map(([name, host]) => ({ name, ...host, network: prefix }));
  const firstHost = hosts[0];
  if (!firstHost) throw new Error("settings without a host: parseSettings refuses them");

  const common = (node: keyof Settings["ports"] & string) => {
    const host = hosts.find(({ name }) => name === settings.placement[node]) ?? firstHost;
    const address = settings.publishedAddress;
    return {
      node,
      host,
      containerName: `${prefix}-${node}`,
      stateVolume: `${prefix}-${node}-state`,
      published: { address: operatorAddress(host, address), port: settings.ports[node] },
      certificateNames: [
        ...new Set([node, `${prefix}-${node}`, "localhost", "127.0.0.1", host.address, address]),
      ].filter((name) => name !== "0.0.0.0"),
    };
  };

  return {
    project,
    stack,
    model: settings.model,
    synchronous: settings.synchronous,
    imageRevision: settings.imageRevision,
    givenUpVolume: settings.giveUpVolume,
    hosts: hosts.filter((host) => hostIsUsed(host, settings, firstHost)),
    databases: databasesOf[settings.model].map((name) => ({
      ...common(`${name}-database`),
      kind: "database",
      name,
      dataVolume: `${prefix}-${name}-database-data`,
      slot: slotName(name),
    })),
    servers: serversOf[settings.model].map((name) => ({
      ...common(`${name}-server`),
      kind: "server",
      name,
      displayName: settings.displayNames[name] ?? defaultDisplayNames[name],
    })),
    gateway: {
      ...common("gateway"),
      kind: "gateway",
      // Statistics never leave the machine, whatever the gateway itself is published on.
      statistics: { address: "127.0.0.1", port: settings.ports.gatewayStatistics },
    },
  };
}

/** The names of all nodes of a model. */
export function nodeNamesOf(model: Model): readonly string[] {
  return [
    ...databasesOf[model].map((name) => `${name}-database`),
    ...serversOf[model].map((name) => `${name}-server`),
    "gateway",
  ];
}

/** Whether every model has the node, so that no change of the model removes it. */
export function isInEveryModel(node: string): boolean {
  return models.every((model) => nodeNamesOf(model).includes(node));
}

/** The logical name of a node's resources in Pulumi: with more than one host the host is part of it. */
export function resourceName(topology: Topology, node: Pick<Node, "node" | "host">): string {
  return topology.hosts.length === 1 ? node.node : `${node.node}-on-${node.host.name}`;
}

/** The name of a database's data volume in Pulumi, as previews and the key `giveUpVolume` have it. */
export function dataVolumeName(topology: Topology, database: Pick<Node, "node" | "host">): string {
  return `${resourceName(topology, database)}-data`;
}

/** Every node of the topology, databases first. */
export function allNodes(topology: Topology): readonly (DatabaseNode | ServerNode | GatewayNode)[] {
  return [...topology.databases, ...topology.servers, topology.gateway];
}

/** How `from` reaches `to`: by DNS alias on the same host, by the host's address and the published port across hosts. */
export function endpoint(from: Pick<Node, "host">, to: Node): { address: string; port: number } {
  if (from.host.name === to.host.name) return { address: to.node, port: internalPortOf(to) };
  return { address: to.host.address, port: to.published.port };
}

/** Databases of the model other than the given one: whom its guard asks, whom it may have to feed. */
export function peersOf(topology: Topology, database: DatabaseNode): readonly DatabaseNode[] {
  return topology.databases.filter(({ name }) => name !== database.name);
}

/**
 * The servers whose word the guard of a database accepts. With several hosts a server on the database's own host
 * does not count: it was cut off together with the database, and so cannot know of a promotion elsewhere.
 */
export function witnessesOf(topology: Topology, database: DatabaseNode): readonly ServerNode[] {
  if (topology.hosts.length === 1) return topology.servers;
  return topology.servers.filter(({ host }) => host.name !== database.host.name);
}

/** Slot names allow only a-z, 0-9 and underscore. */
export function slotName(name: DatabaseName): string {
  return name.replaceAll("-", "_");
}

function internalPortOf(node: Node): number {
  if (node.kind === "database") return internalPorts.database;
  return node.kind === "server" ? internalPorts.server : internalPorts.gateway;
}

/** Where a person or script beside the engine finds a published port: 0.0.0.0 is no address to connect to. */
function operatorAddress(host: Host, published: string): string {
  if (published !== "0.0.0.0") return published;
  return host.docker.startsWith("unix://") ? "127.0.0.1" : host.address;
}

function hostIsUsed(host: Host, settings: Settings, firstHost: Host): boolean {
  return host.name === firstHost.name || Object.values(settings.placement).includes(host.name);
}
