import type { PoolClient } from "pg";
import { pino } from "pino";
import { expect, test } from "vitest";
import type { Cluster } from "../../../server/databases/cluster.ts";
import type { Reader } from "../../../server/databases/reader.ts";
import { ServerNames } from "../../../server/servers/names.ts";

test("a server that was renamed has its new name at once, also while the names are being read, and tells it", async () => {
  let stored = "Old";
  const answers: (() => void)[] = [];
  /** What is stored when the statement begins, answered when the test says so. */
  const query = () => {
    const rows = [{ server: "primary", display_name: stored }];
    return new Promise((resolve) => answers.push(() => resolve({ rows })));
  };
  const reader = {
    run: async (work: (client: PoolClient) => Promise<unknown>) => ({
      value: await work({ query } as unknown as PoolClient),
    }),
  } as unknown as Reader;
  const told: (string | undefined)[] = [];
  const names: ServerNames = new ServerNames({
    cluster: { state: { choice: { readable: "shared" } } } as Cluster,
    reader,
    ready: () => true,
    changed: () => told.push(names.all.get("primary")),
    log: pino({ level: "silent" }),
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const underWay = names.refresh();
  await turn();
  stored = "Bridge";
  const afterwards = names.refresh();
  answers.shift()?.();
  await underWay;
  await turn();
  answers.shift()?.();
  await afterwards;
  expect(names.all.get("primary")).toBe("Bridge");
  const again = names.refresh();
  await turn();
  answers.shift()?.();
  await again;
  expect(told).toEqual(["Old", "Bridge"]);
});
