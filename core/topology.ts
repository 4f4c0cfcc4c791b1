import { gatewayAddressOf } from "./hostRules.ts";
import { forEachImageKind, type ImageKind } from "./imageSources.ts";
import { endOfChain } from "./ownCertificate.ts";
import type { Settings } from "./settings.ts";
import { type DatabaseName, type Model, models, type ServerName, slotName } from "./vocabulary.ts";

/** The port that PostgreSQL, the servers and the gateway listen on inside their containers. */
export const internalPorts = { database: 5432, server: 8443, gateway: 8443, statistics: 8404 } as const;

/** Name of the application's database. */
export const applicationDatabase = "vault";

/** The database of one's own application, and the role that owns it. */
export const ownDatabase = { name: "application", owner: "application_owner" } as const;

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
  readonly kind: "database" | "server" | "gateway" | "application";
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
  /** By which name or address clients reach it. */
  readonly address: string;
  /** Whether clients see a certificate of one's own there, and that of the stack only who asks for it by its name. */
  readonly hasOwnCertificate: boolean;
  /** ISO 8601; null without one. */
  readonly ownCertificateEndsAt: string | null;
}

/** One's own application beside a server (docs/your-application.md). */
export interface ApplicationNode extends Node {
  readonly kind: "application";
  /** The server beside which it runs. */
  readonly name: ServerName;
  /** The port that it listens on inside its container. */
  readonly port: number;
  readonly protocol: "http" | "https";
  /** What the gateway asks whether it is well; empty: a TCP connection is enough. */
  readonly healthPath: string;
}

export type AnyNode = DatabaseNode | ServerNode | GatewayNode | ApplicationNode;

/** The container that makes backups. Nobody connects to it. */
export interface BackupNode extends Pick<Node, "node" | "host" | "containerName" | "stateVolume"> {
  readonly kind: "backup";
  /** The volume that they lie in. */
  readonly dataVolume: string;
  /** As a crontab says it; UTC. */
  readonly schedule: string;
  readonly keep: number;
  readonly alertAfterHours: number;
}

/** Whatever has a container of its own. */
export type ContainerNode = AnyNode | BackupNode;

/** Everything that is derived from the settings: which nodes there are, where, and how they reach each other. */
export interface Topology {
  readonly project: string;
  readonly stack: string;
  readonly model: Model;
  /** Those that something is placed on, and the first one. */
  readonly hosts: readonly Host[];
  /** Those that nothing is placed on. What moves away from one is there until it runs elsewhere. */
  readonly idleHosts: readonly Host[];
  readonly databases: readonly DatabaseNode[];
  readonly servers: readonly ServerNode[];
  /** One beside each server where the stack has an application of one's own; none where the servers are it themselves. */
  readonly applications: readonly ApplicationNode[];
  readonly gateway: GatewayNode;
  /** Null where no backups are made. */
  readonly backup: BackupNode | null;
  /** Whether a write is acknowledged only once the standby has it. */
  readonly synchronous: boolean;
  /** By kind of image, any text: another one makes that image with the packages of its day. */
  readonly imageRevisions: Readonly<Record<ImageKind, string>>;
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

  const common = (node: keyof Settings["ports"] & string, beside = node, onlyHere = false) => {
    const host = hosts.find(({ name }) => name === settings.placement[beside]) ?? firstHost;
    const address = onlyHere ? "127.0.0.1" : settings.publishedAddress;
    return {
      node,
      host,
      containerName: `${prefix}-${node}`,
      stateVolume: `${prefix}-${node}-state`,
      published: { address: operatorAddress(host, address), port: settings.ports[node] },
      certificateNames: [
        ...new Set([
          ...[node, `${prefix}-${node}`, "localhost", "127.0.0.1", host.address, address],
          ...(node === "gateway" ? [settings.gatewayAddress] : []),
        ]),
      ].filter((name) => name !== "0.0.0.0" && name !== ""),
    };
  };

  const { application, backups } = settings;
  // With the read-only database, if there is one: what happens to the shared one's host does not happen to them.
  const besideBackup = databasesOf[settings.model].includes("read-only")
    ? "read-only-database"
    : "shared-database";
  const applications = application.image === "" ? [] : serversOf[settings.model];

  return {
    project,
    stack,
    model: settings.model,
    synchronous: settings.synchronous,
    imageRevisions: forEachImageKind((kind) => settings.imageRevisions[kind] ?? settings.imageRevision),
    givenUpVolume: settings.giveUpVolume,
    hosts: hosts.filter((host) => hostIsUsed(host, settings, firstHost)),
    idleHosts: hosts.filter((host) => !hostIsUsed(host, settings, firstHost)),
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
    applications: applications.map((name) => ({
      // What is not encrypted never leaves the machine, whatever else is published.
      ...common(`${name}-application`, `${name}-server`, application.protocol === "http"),
      kind: "application",
      name,
      port: application.port,
      protocol: application.protocol,
      healthPath: application.healthPath,
    })),
    gateway: {
      ...common("gateway"),
      kind: "gateway",
      // Statistics never leave the machine, whatever the gateway itself is published on.
      statistics: { address: "127.0.0.1", port: settings.ports.gatewayStatistics },
      address: gatewayAddressOf(settings),
      hasOwnCertificate: settings.gatewayCertificate !== "",
      ownCertificateEndsAt: endOfChain(settings.gatewayCertificate),
    },
    backup:
      backups.schedule === ""
        ? null
        : {
            ...backups,
            kind: "backup",
            node: "backup",
            host: common(besideBackup).host,
            containerName: `${prefix}-backup`,
            stateVolume: `${prefix}-backup-state`,
            dataVolume: `${prefix}-backup-data`,
          },
  };
}

/** The names of all nodes of a model, without applications of one's own. */
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

/**
 * The name that the same resources had while the stack had one host only, or, where it has one only, while it had several:
 * the host of a stack with one host is its first. Undefined for a node on any other host, which can only have come there.
 */
export function formerResourceName(
  { hosts }: Topology,
  { node, host }: Pick<Node, "node" | "host">,
): string | undefined {
  if (host.name !== hosts[0]?.name) return undefined;
  return hosts.length === 1 ? `${node}-on-${host.name}` : node;
}

/** The name of a database's data volume in Pulumi, as previews and the key `giveUpVolume` have it. */
export function dataVolumeName(topology: Topology, database: Pick<Node, "node" | "host">): string {
  return `${resourceName(topology, database)}-data`;
}

/** Every node of the topology, databases first. */
export function allNodes(topology: Topology): readonly AnyNode[] {
  return [...topology.databases, ...topology.servers, ...topology.applications, topology.gateway];
}

/** Everything that has a container of its own. */
export function allContainers(topology: Topology): readonly ContainerNode[] {
  return [...allNodes(topology), ...(topology.backup ? [topology.backup] : [])];
}

/** Every node but applications of one's own: those of which this project knows what they present. */
export function ownNodes(topology: Topology): readonly (DatabaseNode | ServerNode | GatewayNode)[] {
  return [...topology.databases, ...topology.servers, topology.gateway];
}

/** What the gateway leads to: the servers, or one's own application beside each. */
export function servingNodes(topology: Topology): readonly (ServerNode | ApplicationNode)[] {
  return topology.applications.length > 0 ? topology.applications : topology.servers;
}

/** Where the vault is asked: at the gateway, or directly where the gateway leads to one's own application. */
export function vaultEntries(topology: Topology): readonly [ServerNode | GatewayNode, ...ServerNode[]] {
  const [first, ...others] = topology.servers;
  return topology.applications.length > 0 && first ? [first, ...others] : [topology.gateway];
}

/** How `from` reaches `to`: by DNS alias on the same host, by the host's address and the published port across hosts. */
export function endpoint(from: Pick<Node, "host">, to: Node): { address: string; port: number } {
  if (from.host.name === to.host.name) return { address: to.node, port: internalPortOf(to) };
  return { address: to.host.address, port: to.published.port };
}

/** Every host of the config but the given one: from where a node may be moved there. */
export function hostsBeside(topology: Topology, host: Host): readonly Host[] {
  return [...topology.hosts, ...topology.idleHosts].filter(({ name }) => name !== host.name);
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

function internalPortOf(node: Node & { readonly port?: number }): number {
  if (node.port !== undefined) return node.port;
  if (node.kind === "database") return internalPorts.database;
  return node.kind === "server" ? internalPorts.server : internalPorts.gateway;
}

/**
 * Where a person or script finds a published port: 0.0.0.0 is no address to connect to. Of a socket nobody can say whether
 * the engine behind it is on this machine, so its host's address counts, too.
 */
function operatorAddress(host: Host, published: string): string {
  return published === "0.0.0.0" ? host.address : published;
}

function hostIsUsed(host: Host, settings: Settings, firstHost: Host): boolean {
  return host.name === firstHost.name || Object.values(settings.placement).includes(host.name);
}
