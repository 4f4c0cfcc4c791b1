import Table from "cli-table3";
import pc from "picocolors";
import type { DatabaseStatus, ServerStatus, Status } from "../../core/status.ts";

/** The status as tables for a person. Colour only where picocolors finds a terminal. */
export function renderStatus(status: Status): string {
  return [
    `${heading(status)}  ${status.summary}`,
    databaseTable(status.databases),
    serverTable(status),
    ...findingLines(status),
    pc.dim(`observed at ${status.observedAt}`),
  ].join("\n");
}

function heading({ stack, model, phase, verdict }: Status): string {
  const colour = verdict === "ok" ? pc.green : verdict === "degraded" ? pc.yellow : pc.red;
  return `${pc.bold(stack)} (${model})  phase ${phase}  ${colour(verdict)}`;
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
  table.push([
    "gateway",
    status.gateway.reachable ? pc.green("running") : pc.red("down"),
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

function findingLines({ findings }: Status): string[] {
  return findings.map(
    ({ subject, problem, remedy }) => `${pc.yellow("!")} ${subject}: ${problem}. ${remedy}`,
  );
}

function roleText(role: string, expected: string): string {
  return role === expected ? pc.green(role) : pc.red(role);
}

function lagText({ lagBytes, lagSeconds, role }: DatabaseStatus): string {
  if (role !== "standby") return "-";
  if (lagBytes === null) return "unknown";
  return lagSeconds === null ? `${lagBytes} B` : `${lagBytes} B, ${lagSeconds.toFixed(3)} s`;
}

function sinceText(since: string | null): string {
  return since === null ? "unknown" : `${since.slice(0, 19)}Z`;
}

/** A plain table without colours of its own. */
export function newTable(head: readonly string[]): Table.Table {
  return new Table({ head: head.map((text) => pc.bold(text)), style: { head: [], border: [] } });
}
