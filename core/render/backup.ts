import { backupRole } from "../backups/statements.ts";
import { applicationDatabase, type BackupNode, endpoint, type Topology } from "../topology.ts";
import type { BackupLogin } from "./backupRole.ts";
import type { ConfigurationFile } from "./files.ts";

/**
 * The configuration folder of the container that makes backups: where the databases are, of which the writable one is
 * asked and copied, how many stay, and its password.
 */
export function renderBackup(
  topology: Topology,
  backup: BackupNode,
  { login, caCertificate }: { readonly login: BackupLogin; readonly caCertificate: string },
): readonly ConfigurationFile[] {
  const endpoints = topology.databases.map((database) => endpoint(backup, database));
  const config = {
    node: backup.node,
    keep: backup.keep,
    hosts: endpoints.map(({ address }) => address).join(","),
    ports: endpoints.map(({ port }) => port).join(","),
    user: backupRole,
    database: applicationDatabase,
  };
  return [
    { name: "backup.json", content: `${JSON.stringify(config, null, 2)}\n` },
    { name: "pgpass", content: `*:*:*:${backupRole}:${login.password}\n` },
    { name: "ca.crt", content: caCertificate },
  ];
}
