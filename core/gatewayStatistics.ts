/** Whether the gateway sends requests to a server, by its statistics. */
export interface GatewayView {
  /** It lives: the gateway reaches it. */
  readonly isAlive: boolean;
  /** It can do its duty. */
  readonly isOnDuty: boolean;
}

/**
 * Reads HAProxy's statistics (`/;csv`).
 *
 * @returns each server by its name; empty where the text is something else
 */
export function parseGatewayStatistics(csv: string): ReadonlyMap<string, GatewayView> {
  const [head = "", ...lines] = csv.slice(csv.indexOf("# pxname")).split(/\r?\n/);
  const names = head.replace(/^# /, "").split(",");
  const [proxy, server, status] = ["pxname", "svname", "status"].map((name) => names.indexOf(name));
  const views = new Map<string, { isAlive: boolean; isOnDuty: boolean }>();
  for (const line of lines) {
    const cells = line.split(",");
    const [asked, name, state] = [cells[proxy ?? -1], cells[server ?? -1], cells[status ?? -1]];
    if (name === undefined || name === "BACKEND" || name === "FRONTEND") continue;
    const view = views.get(name) ?? { isAlive: false, isOnDuty: false };
    const isUp = state?.startsWith("UP") === true;
    if (asked === "servers") view.isAlive = isUp;
    else if (asked === "duty") view.isOnDuty = isUp;
    else continue;
    views.set(name, view);
  }
  return views;
}
