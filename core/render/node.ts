import { createHash } from "node:crypto";
import { effectiveAlerts, isDefault } from "../alerts/settings.ts";
import type { Credentials, KeyPair } from "../credentials.ts";
import { gatewayToken } from "../gatewayToken.ts";
import { applicationFiles, applicationSecrets } from "../ownApplication.ts";
import type { Settings } from "../settings.ts";
import type { AnyNode, DatabaseNode, ServerNode, Topology } from "../topology.ts";
import type { BackupLogin } from "./backupRole.ts";
import { renderDatabaseNode } from "./databaseNode.ts";
import type { ConfigurationFile } from "./files.ts";
import {
  certificateList,
  ownCertificateFile,
  renderCertificateList,
  renderHaproxy,
  renderUnavailable,
} from "./haproxy.ts";
import { renderPgHba, renderPostgresqlConf } from "./postgres.ts";
import { renderRolesSql } from "./roles.ts";
import { renderServerConfig } from "./server.ts";
import { renderSlotsSql } from "./slots.ts";

/** What a node's configuration is rendered from. */
export interface RenderInput {
  readonly topology: Topology;
  readonly settings: Settings;
  readonly credentials: Credentials;
  /** The node's own certificate. */
  readonly certificate: KeyPair;
  /** Of the role that makes backups, where the stack makes any. */
  readonly backup?: BackupLogin | undefined;
}

/**
 * The whole configuration folder of a node. A pure function, and the only place where configuration files come from:
 * the same input gives the same files, byte for byte.
 */
export function renderNode(node: AnyNode, input: RenderInput): readonly ConfigurationFile[] {
  switch (node.kind) {
    case "database":
      return databaseFiles(node, input);
    case "server":
      return serverFiles(node, input);
    case "gateway":
      return gatewayFiles(input);
    case "application":
      return [
        ...applicationFiles(input.topology, node, applicationSecrets(input.credentials.applicationSeed)),
        ...tlsFiles(input.credentials, input.certificate),
      ];
  }
}

/** A short name for the content of a folder: the same files have the same name. */
export function fingerprint(files: readonly ConfigurationFile[]): string {
  const hash = createHash("sha256");
  for (const { name, content, mode } of [...files].sort((a, b) => (a.name < b.name ? -1 : 1)))
    hash.update(JSON.stringify([name, content, mode ?? 0o600]));
  return hash.digest("hex").slice(0, 16);
}

function databaseFiles(database: DatabaseNode, input: RenderInput): readonly ConfigurationFile[] {
  const { topology, settings, credentials, certificate } = input;
  const passwords = (["replication", "rewind", "monitoring"] as const)
    .map((role) => `*:*:*:${role}:${credentials.passwords[role][0]}\n`)
    .join("");
  return [
    { name: "node.json", content: renderDatabaseNode(topology, database) },
    { name: "postgresql.conf", content: renderPostgresqlConf(database, settings) },
    { name: "pg_hba.conf", content: renderPgHba(topology) },
    { name: "pg_ident.conf", content: "" },
    { name: "roles.sql", content: renderRolesSql(credentials, ownApplicationSecrets(input), input.backup) },
    { name: "slots.sql", content: renderSlotsSql(topology, database) },
    { name: "pgpass", content: passwords },
    ...tlsFiles(credentials, certificate),
  ];
}

/** Undefined where the stack has no application of one's own. */
function ownApplicationSecrets({ topology, credentials }: RenderInput) {
  return topology.applications.length > 0 ? applicationSecrets(credentials.applicationSeed) : undefined;
}

function serverFiles(server: ServerNode, input: RenderInput): readonly ConfigurationFile[] {
  const { topology, settings, credentials, certificate } = input;
  const alerts = effectiveAlerts(settings.alerts, settings.slotWalKeepMegabytes);
  const hasAlerts = !isDefault(alerts);
  return [
    { name: "server.json", content: renderServerConfig(topology, server, hasAlerts) },
    ...(hasAlerts ? [{ name: "alerts.json", content: `${JSON.stringify(alerts, null, 2)}\n` }] : []),
    { name: "application.password", content: lines(credentials.passwords.application) },
    { name: "migration.password", content: lines(credentials.passwords.migration) },
    { name: "encryption.key", content: lines(credentials.encryptionKeys) },
    {
      name: "admin-token.sha256",
      content: lines(
        credentials.adminTokens.map((token) => createHash("sha256").update(token).digest("hex")),
      ),
    },
    ...tlsFiles(credentials, certificate),
  ];
}

function gatewayFiles({
  topology,
  settings,
  credentials,
  certificate,
}: RenderInput): readonly ConfigurationFile[] {
  return [
    {
      name: "haproxy.cfg",
      content: renderHaproxy(topology, gatewayToken(Buffer.from(credentials.encryptionKeys[0], "base64"))),
    },
    { name: "503.http", content: renderUnavailable() },
    { name: "gateway.pem", content: `${certificate.certificate}${certificate.key}` },
    { name: "ca.crt", content: credentials.caCertificate },
    ...(topology.gateway.hasOwnCertificate
      ? [
          { name: certificateList, content: renderCertificateList() },
          {
            name: ownCertificateFile,
            content: `${settings.gatewayCertificate}\n${settings.gatewayKey}\n`,
          },
        ]
      : []),
  ];
}

/** One a line, the one in use first. */
function lines(values: readonly string[]): string {
  return values.map((value) => `${value}\n`).join("");
}

function tlsFiles(credentials: Credentials, certificate: KeyPair): readonly ConfigurationFile[] {
  return [
    { name: "ca.crt", content: credentials.caCertificate },
    { name: "node.crt", content: certificate.certificate },
    { name: "node.key", content: certificate.key },
  ];
}
