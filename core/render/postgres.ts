import { backupRole } from "../backups/statements.ts";
import { effectiveParameters } from "../postgresParameters.ts";
import type { Settings } from "../settings.ts";
import { applicationDatabase, type DatabaseNode, ownDatabase, type Topology } from "../topology.ts";
import { configurationFolder, restartFile, stateFolder, synchronousFile } from "./files.ts";

/** `postgresql.conf` of a database: the same for every node but for the name it shows. */
export function renderPostgresqlConf(database: DatabaseNode, settings: Settings): string {
  const parameters: Record<string, string> = {
    ...effectiveParameters(settings),
    cluster_name: database.node,
    hba_file: `${configurationFolder}/pg_hba.conf`,
    ident_file: `${configurationFolder}/pg_ident.conf`,
    ssl_cert_file: `${configurationFolder}/node.crt`,
    ssl_key_file: `${configurationFolder}/node.key`,
    ssl_ca_file: `${configurationFolder}/ca.crt`,
  };
  const lines = Object.keys(parameters)
    .sort()
    .map((name) => `${name} = ${quote(parameters[name] ?? "")}`);
  return [
    `# ${database.node}. Rendered from the stack's config; edits here are overwritten by the next "pulumi up".`,
    ...lines,
    "# What a standby must not have less of than its primary: moved in order, each time before a restart.",
    `include_if_exists = ${quote(`${stateFolder}/${restartFile}`)}`,
    "# What this node is now (primary_conninfo, primary_slot_name, wal_keep_size): written from its intent.",
    `include_if_exists = ${quote(`${stateFolder}/role.conf`)}`,
    "# Whose word a write waits for (synchronous_standby_names): switched once a replica streams.",
    `include_if_exists = ${quote(`${stateFolder}/${synchronousFile}`)}`,
    "",
  ].join("\n");
}

/**
 * `pg_hba.conf`: one line per duty, TLS and SCRAM for every TCP connection, the superuser only over the local socket.
 * Whoever is not named is refused.
 */
export function renderPgHba(topology: Topology): string {
  const sources = ["samenet", ...addressesOfOtherHosts(topology)];
  // People and scripts come from wherever they are; what is published on 127.0.0.1 reaches the container from its network.
  const isPublished = topology.databases.some(({ published }) => !published.address.startsWith("127."));
  const operatorSources = isPublished ? ["all"] : sources;
  const duties: readonly [database: string, role: string][] = [
    [applicationDatabase, "application"],
    [applicationDatabase, "migration"],
    ["replication", "replication"],
    // The worker of a standby that keeps logical slots connects to a database.
    ["postgres", "replication"],
    [applicationDatabase, "subscriber"],
    ["postgres", "rewind"],
    [`postgres,${applicationDatabase}`, "monitoring"],
    [`postgres,${applicationDatabase}`, "operator"],
    ...(topology.backup
      ? ([
          [applicationDatabase, backupRole],
          ["replication", backupRole],
        ] as [string, string][])
      : []),
    ...(topology.applications.length > 0 ? [[ownDatabase.name, ownDatabase.owner] as [string, string]] : []),
  ];
  const lines = duties.flatMap(([database, role]) =>
    (role === "monitoring" || role === "operator" ? operatorSources : sources).map(
      (source) => `hostssl\t${database}\t${role}\t${source}\tscram-sha-256`,
    ),
  );
  return [
    "# TYPE\tDATABASE\tUSER\tADDRESS\tMETHOD",
    "local\tall\tpostgres\tpeer",
    ...lines,
    "host\tall\tall\tall\treject",
    "",
  ].join("\n");
}

function addressesOfOtherHosts(topology: Topology): string[] {
  if (topology.hosts.length === 1) return [];
  return topology.hosts.map(({ address }) => (/^[0-9.]+$/.test(address) ? `${address}/32` : address));
}

/** A value of postgresql.conf in single quotes; a quote inside is doubled, line breaks cannot occur in a value. */
function quote(value: string): string {
  if (/[\r\n\0]/.test(value))
    throw new Error(`a PostgreSQL parameter may not hold a line break: ${JSON.stringify(value)}`);
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}
