import { setImmediate } from "node:timers/promises";
import { pino } from "pino";
import { expect, test, vi } from "vitest";
import type { DatabaseName } from "../../../core/vocabulary.ts";
import { Cluster } from "../../../server/databases/cluster.ts";
import type { DatabaseView } from "../../../server/databases/view.ts";
import type { Witness } from "../../../server/databases/witness.ts";

/** What each watcher would report to. */
const reports = new Map<DatabaseName, (view: DatabaseView) => Promise<void>>();

vi.mock("../../../server/databases/watcher.ts", () => ({
  DatabaseWatcher: class {
    constructor(
      { target }: { target: { name: DatabaseName } },
      _pace: unknown,
      report: (view: DatabaseView) => Promise<void>,
    ) {
      reports.set(target.name, report);
    }
    start() {}
    lookNow() {}
    async stop() {}
  },
}));

const database = (name: DatabaseName) => ({
  target: { name, address: "127.0.0.1", port: 1, certificateName: name },
  ...{ database: "vault", user: "application", passwords: ["x"], ca: "", applicationName: "test" },
  ...{ connectTimeoutSeconds: 1, statementTimeoutSeconds: 1 },
});

const accepting: Witness["observe"] = async () => undefined;

const clusterWith = (observe: Witness["observe"], names: readonly DatabaseName[]) => {
  const witness = { highest: new Map(), observe } as unknown as Witness;
  const cluster = new Cluster("primary", witness, "", pino({ level: "silent" }));
  cluster.configure({ poolSize: 1, poolWaitSeconds: 1, databases: names.map(database) });
  return cluster;
};

const primaryView = (name: DatabaseName, observedAt: number): DatabaseView => ({
  ...{ name, reachable: true, inRecovery: false, closed: false, timeline: 2 },
  ...{ systemId: "1", problem: null, loss: "none", observedAt },
});

test("who has met an error waits for a look that ended after it", async () => {
  const cluster = clusterWith(accepting, ["shared"]);
  await reports.get("shared")?.(primaryView("shared", Date.now() - 1000));
  let hasLooked = false;
  const looking = cluster.lookAgain("shared", Date.now() + 5000).then(() => {
    hasLooked = true;
  });
  await setImmediate();
  expect(hasLooked).toBe(false);
  await reports.get("shared")?.(primaryView("shared", Date.now()));
  await looking;
  await cluster.stop();
});

test("who has met an error does not wait longer than it may", async () => {
  const cluster = clusterWith(accepting, ["shared"]);
  const began = performance.now();
  await cluster.lookAgain("shared", Date.now() + 50);
  expect(performance.now() - began).toBeLessThan(1000);
  await cluster.stop();
});

test("a database that leaves the model while its last look is written down is not used again", async () => {
  let written = (): void => undefined;
  const cluster = clusterWith(
    () =>
      new Promise<void>((resolve) => {
        written = resolve;
      }),
    ["shared", "read-only"],
  );
  const looked = reports.get("read-only")?.(primaryView("read-only", 1));
  cluster.configure({ poolSize: 1, poolWaitSeconds: 1, databases: [database("shared")] });
  written();
  await looked;
  expect(cluster.state.views.map(({ name }) => name)).toEqual(["shared"]);
  expect(cluster.state.choice).toMatchObject({ writable: null, readable: null });
  await cluster.stop();
});
