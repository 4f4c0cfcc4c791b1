import Table from "cli-table3";
import { ownCertificate } from "../../core/certificateFindings.ts";
import type { ApplicationStatus, DatabaseStatus, ServerStatus, Status } from "../../core/status.ts";
import { colours } from "./colours.ts";

/** The status as tables for a person. */
export function renderStatus(status: Status): string {
  return [
    `${heading(status)}  ${status.summary}`,
    databaseTable(status.databases),
    serverTable(status),
    certificateLine(status),
    ...backupLine(status),
    ...keptLines(status),
    ...findingLines(status),
    colours.dim(`observed at ${status.observedAt}`),
  ].join("\n");
}

function heading({ stack, model, phase, verdict }: Status): string {
  const colour = verdict === "ok" ? colours.green : verdict === "degraded" ? colours.yellow : colours.red;
  return `${colours.bold(stack)} (${model})  phase ${phase}  ${colour(verdict)}`;
}

function databaseTable(databases: readonly DatabaseStatus[]): string {
  const table = newTable(["database", "role", "expected", "timeline", "LSN", "lag", "slot", "since"]);
  for (const database of databases)
    table.push([
      database.name,
      roleText(database.role, database.expectedRole),
      database.expectedRole,
      database.timeline ?? "-",
      database.lsn ?? "-",
      lagText(database),
      database.slot ? `${database.slot.name} ${database.slot.active ? "active" : "inactive"}` : "-",
      sinceText(database.since),
    ]);
  return table.toString();
}

function serverTable(status: Status): string {
  const table = newTable(["server", "role", "expected", "database", "since"]);
  for (const server of status.servers) table.push(serverRow(server));
  for (const application of status.applications) table.push(applicationRow(application));
  table.push([
    "gateway",
    status.gateway.reachable ? colours.green("running") : colours.red("down"),
    "running",
    "-",
    "-",
  ]);
  return table.toString();
}

function serverRow(server: ServerStatus): string[] {
  return [
    server.name,
    roleText(server.role, server.expectedRole),
    server.expectedRole,
    server.database ?? "-",
    sinceText(server.since),
  ];
}

function certificateLine({ certificates }: Status): string {
  const ends = certificates.flatMap(({ of, expiresAt }) => (expiresAt ? [{ of, expiresAt }] : []));
  const nodes = ends
    .filter(({ of }) => of !== "authority" && of !== ownCertificate)
    .sort((a, b) => (a.expiresAt < b.expiresAt ? -1 : 1));
  const until = (end: { expiresAt: string } | undefined) => end?.expiresAt.slice(0, 10) ?? "unknown";
  const endOf = (name: string) => ends.find(({ of }) => of === name);
  const own = certificates.some(({ of }) => of === ownCertificate)
    ? `, that of the gateway for clients until ${until(endOf(ownCertificate))}`
    : "";
  return `certificates: valid until ${until(nodes[0])}, their authority until ${until(endOf("authority"))}${own}`;
}

function backupLine({ backups }: Status): string[] {
  if (backups === null) return [];
  const { lastGood, pending, lastFailure, detail } = backups;
  const last = lastGood
    ? `the newest good one is ${lastGood.name}, ${megabytes(lastGood.bytes)} MB`
    : detail === null
      ? "none yet"
      : `not known (${detail})`;
  const now = pending === null ? "" : `, one is ${pending.state}`;
  const failure = lastFailure === null ? "" : `; the last attempt failed at ${sinceText(lastFailure.at)}`;
  return [`backups: ${last}${now}${failure}`];
}

function keptLines({ databases }: Status): string[] {
  return databases.flatMap(({ name, keptData }) =>
    (keptData ?? []).map(
      ({ folder, bytes }) =>
        `kept aside: ${folder} of the ${name} database, ${megabytes(bytes)} MB of data that went its own way; stays until "kept-data remove" (docs/transitions.md)`,
    ),
  );
}

function megabytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1);
}

function applicationRow({ name, state, since }: ApplicationStatus): string[] {
  return [`${name} application`, roleText(state, "well"), "well", "-", sinceText(since)];
}

function findingLines({ findings }: Status): string[] {
  return findings.map(
    ({ subject, problem, remedy }) => `${colours.yellow("!")} ${subject}: ${problem}. ${remedy}`,
  );
}

function roleText(role: string, expected: string): string {
  return role === expected ? colours.green(role) : colours.red(role);
}

function lagText({ lagBytes, lagSeconds, role, syncState }: DatabaseStatus): string {
  if (role !== "standby") return "-";
  if (lagBytes === null) return "unknown";
  const seconds = lagSeconds === null ? "" : `, ${lagSeconds.toFixed(3)} s`;
  return `${lagBytes} B${seconds}${syncState === "sync" ? ", sync" : ""}`;
}

function sinceText(since: string | null): string {
  return since === null ? "unknown" : `${since.slice(0, 19)}Z`;
}

/** A plain table without colours of its own. */
export function newTable(head: readonly string[]): Table.Table {
  return new Table({ head: head.map((text) => colours.bold(text)), style: { head: [], border: [] } });
}
