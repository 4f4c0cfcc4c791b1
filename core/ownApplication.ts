import { hkdfSync } from "node:crypto";
import type { ConfigurationFile } from "./render/files.ts";
import type { Settings } from "./settings.ts";
import { type ApplicationNode, endpoint, internalPorts, ownDatabase, type Topology } from "./topology.ts";

/** Where one's own application finds its secrets, each a file that its user alone can read. */
export const secretsFolder = "/run/secrets/pg-continuity";

/** The secrets of one's own application, the same beside every server. */
export interface ApplicationSecrets {
  /** Of the role that owns its database. */
  readonly password: string;
  /** For the SCRAM verifier, base64. */
  readonly salt: string;
  /** For the application itself: to sign sessions, for instance. */
  readonly secretKey: string;
}

/**
 * Derived one-way from one seed: the same again when an application comes back, and untouched by the rotation of others.
 *
 * @param seed 32 bytes, base64
 */
export function applicationSecrets(seed: string): ApplicationSecrets {
  const key = Buffer.from(seed, "base64");
  const derive = (what: string, bytes: number) =>
    Buffer.from(hkdfSync("sha256", key, "", `pg-continuity/own-application/${what}/1`, bytes));
  return {
    password: derive("password", 32).toString("hex"),
    salt: derive("salt", 16).toString("base64"),
    secretKey: derive("secret-key", 32).toString("hex"),
  };
}

/** How long a connection to one database may take before the next one is tried, in seconds. */
const connectSeconds = 3;

/** The environment of one's own application: the contract of docs/your-application.md, and what the settings add. No secrets. */
export function applicationEnvironment(
  topology: Topology,
  node: ApplicationNode,
  settings: Settings["application"],
): Readonly<Record<string, string>> {
  const databases = topology.databases.map((database) => endpoint(node, database));
  const file = (name: string) => `${secretsFolder}/${name}`;
  const own = {
    DATABASE_URL: databaseUrl(topology, node),
    DATABASE_URL_FILE: file("database-url"),
    DATABASE_READ_ONLY_URL: readOnlyUrl(topology, node),
    DATABASE_READ_ONLY_URL_FILE: file("database-read-only-url"),
    // The same as DATABASE_URL in parts, for drivers that read them: libpq and whatever is built on it, pgx, lib/pq.
    PGHOST: databases.map(({ address }) => address).join(","),
    PGPORT: databases.map(({ port }) => port).join(","),
    PGDATABASE: ownDatabase.name,
    PGUSER: ownDatabase.owner,
    PGPASSFILE: file("pgpass"),
    PGSSLMODE: "verify-full",
    PGSSLROOTCERT: file("ca.crt"),
    PGTARGETSESSIONATTRS: "read-write",
    PGCONNECT_TIMEOUT: String(connectSeconds),
    PGAPPNAME: node.node,
    CA_FILE: file("ca.crt"),
    SECRETS_DIRECTORY: secretsFolder,
    SERVER_ID: node.name,
    SERVER_ROLE: node.name === "read-only" ? "read-only" : "read-write",
    AGENT_URL: `https://${node.name}-server:${internalPorts.server}`,
    PORT: String(node.port),
  };
  const added = Object.entries(settings.environment).map(([name, value]) => [name, String(value)] as const);
  return { ...Object.fromEntries(added), ...own };
}

/** What is delivered to one's own application as files. */
export function applicationFiles(
  topology: Topology,
  node: ApplicationNode,
  secrets: ApplicationSecrets,
): readonly ConfigurationFile[] {
  const { password, secretKey } = secrets;
  return [
    // One line for every database: whichever of them is writable, the password is the same.
    { name: "pgpass", content: `*:*:${ownDatabase.name}:${ownDatabase.owner}:${password}\n` },
    { name: "database-password", content: password },
    { name: "database-url", content: databaseUrl(topology, node, password) },
    { name: "database-read-only-url", content: readOnlyUrl(topology, node, password) },
    { name: "secret-key", content: secretKey },
  ];
}

/** Every database; the driver takes the one that accepts writes. */
function databaseUrl(topology: Topology, node: ApplicationNode, password?: string): string {
  return urlTo(
    topology.databases.map((database) => endpoint(node, database)),
    { node, target: "read-write", password },
  );
}

/** Every database, first the one that the server beside it reads from; the driver takes the first that answers. */
function readOnlyUrl(topology: Topology, node: ApplicationNode, password?: string): string {
  const own = node.name === "read-only" ? "read-only" : "shared";
  const ordered = [...topology.databases].sort((a, b) => Number(b.name === own) - Number(a.name === own));
  return urlTo(
    ordered.map((database) => endpoint(node, database)),
    { node, target: "any", password },
  );
}

/** Only what libpq, pgx and lib/pq all understand. */
function urlTo(
  databases: readonly { readonly address: string; readonly port: number }[],
  {
    node,
    target,
    password,
  }: {
    readonly node: ApplicationNode;
    readonly target: "read-write" | "any";
    readonly password: string | undefined;
  },
): string {
  const login = password === undefined ? ownDatabase.owner : `${ownDatabase.owner}:${password}`;
  const hosts = databases.map(({ address, port }) => `${address}:${port}`).join(",");
  const options = [
    `target_session_attrs=${target}`,
    "sslmode=verify-full",
    `sslrootcert=${secretsFolder}/ca.crt`,
    `connect_timeout=${connectSeconds}`,
    `application_name=${node.node}`,
  ];
  return `postgresql://${login}@${hosts}/${ownDatabase.name}?${options.join("&")}`;
}
