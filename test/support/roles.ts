import pg from "pg";
import type { DatabaseName, DatabaseRole } from "../../core/vocabulary.ts";
import type { Deployment } from "./deployment.ts";
import type { Nodes } from "./nodes.ts";

const configuration = "/var/lib/pg-continuity/config";

/** The passwords of all roles, from where each is kept. */
export async function rolePasswords(
  deployment: Deployment,
  nodes: Nodes,
): Promise<Readonly<Record<DatabaseRole, string>>> {
  const { operatorPassword, subscriberPassword, access } = await deployment.deployed();
  const read = async (node: string, file: string) =>
    (await nodes.exec(node, "cat", `${configuration}/${file}`)).stdout.trim();
  const pgpass = Object.fromEntries(
    (await read("shared-database", "pgpass")).split("\n").map((line) => line.split(":").slice(3, 5)),
  );
  return {
    application: await read("primary-server", "application.password"),
    migration: await read("primary-server", "migration.password"),
    replication: pgpass.replication,
    subscriber: subscriberPassword,
    rewind: pgpass.rewind,
    monitoring: [access.monitoringPassword].flat()[0] ?? "",
    operator: [operatorPassword].flat()[0] ?? "",
  };
}

/** How a connection from outside is made. */
export interface Login {
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Default: TLS, verified against the stack's authority and the node's name. */
  readonly ssl?: false | { readonly ca: string };
}

/** Runs statements over the published port, in a transaction that is rolled back where it is one. @throws as PostgreSQL refuses */
export async function runAs(
  deployment: Deployment,
  name: DatabaseName,
  login: Login,
  statements: readonly string[],
): Promise<void> {
  const { topology, access } = await deployment.deployed();
  const node = topology.databases.find((candidate) => candidate.name === name);
  if (!node) throw new Error(`no database ${name}`);
  const { ssl = { ca: access.caCertificate }, ...who } = login;
  const client = new pg.Client({
    ...who,
    host: node.published.address,
    port: node.published.port,
    connectionTimeoutMillis: 5000,
    ssl: ssl === false ? false : { ca: ssl.ca, servername: node.node },
  });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
