import type { ApplicationHealth } from "./observation.ts";

/**
 * What HAProxy's statistics say of the servers of a backend, by their names.
 *
 * @param csv as HAProxy prints it: a line of column names that begins with `# `, then one line for each part
 * @throws Error where it is no such table
 */
export function parseStatistics(csv: string, backend: string): ReadonlyMap<string, ApplicationHealth> {
  const [head = "", ...lines] = csv.trim().split("\n");
  const columns = head.replace(/^# /, "").split(",");
  const column = (name: string) => {
    const index = columns.indexOf(name);
    if (index < 0) throw new Error(`the gateway's statistics have no column ${name}`);
    return index;
  };
  const [proxy, server, status, check, lastChange] = [
    "pxname",
    "svname",
    "status",
    "check_status",
    "lastchg",
  ].map(column) as [number, number, number, number, number];
  const health = new Map<string, ApplicationHealth>();
  for (const line of lines) {
    const cells = line.split(",");
    const name = cells[server] ?? "";
    if (cells[proxy] !== backend || name === "BACKEND") continue;
    const said = cells[status] ?? "";
    health.set(name, {
      // `UP 1/3` is on its way down and still gets requests.
      isWell: said.startsWith("UP"),
      detail: `${said}${cells[check] ? `, ${cells[check]}` : ""}`,
      seconds: Number(cells[lastChange]),
    });
  }
  return health;
}
