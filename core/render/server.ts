import type { ServerConfigInput } from "../serverConfig.ts";
import { applicationDatabase, endpoint, internalPorts, type ServerNode, type Topology } from "../topology.ts";
import { configurationFolder, stateFolder } from "./files.ts";

/**
 * `server.json` of an application server: no secret in it, only the names of the files that hold them.
 *
 * @param hasAlerts whether `alerts.json` lies beside it
 */
export function renderServerConfig(topology: Topology, server: ServerNode, hasAlerts: boolean): string {
  const file = (name: string) => `${configurationFolder}/${name}`;
  const config: ServerConfigInput = {
    stack: topology.stack,
    server: { id: server.name, displayName: server.displayName },
    listen: { port: internalPorts.server, certificateFile: file("node.crt"), keyFile: file("node.key") },
    databases: topology.databases.map((database) => ({
      name: database.name,
      ...endpoint(server, database),
      certificateName: database.node,
    })),
    deployment: {
      model: topology.model,
      synchronous: topology.synchronous,
      databases: topology.databases.map(({ name, slot, containerName }) => ({ name, slot, containerName })),
      servers: topology.servers.map((other) => ({
        name: other.name,
        displayName: other.displayName,
        containerName: other.containerName,
        ...endpoint(server, other),
        certificateName: other.node,
      })),
      gateway: {
        containerName: topology.gateway.containerName,
        ...endpoint(server, topology.gateway),
        ownCertificateEndsAt: topology.gateway.ownCertificateEndsAt,
      },
      ...(topology.applications.length === 0
        ? {}
        : {
            applications: topology.applications.map((application) => ({
              name: application.name,
              containerName: application.containerName,
              ...endpoint(server, application),
              protocol: application.protocol,
              healthPath: application.healthPath,
              certificateName: application.node,
            })),
          }),
    },
    postgres: {
      database: applicationDatabase,
      caFile: file("ca.crt"),
      application: { user: "application", passwordFile: file("application.password") },
      migration: { user: "migration", passwordFile: file("migration.password") },
    },
    encryptionKeyFile: file("encryption.key"),
    adminTokenHashFile: file("admin-token.sha256"),
    stateDirectory: `${stateFolder}/state`,
    ...(topology.backup
      ? { backups: { schedule: topology.backup.schedule, alertAfterHours: topology.backup.alertAfterHours } }
      : {}),
    ...(hasAlerts ? { alertsFile: file("alerts.json") } : {}),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
