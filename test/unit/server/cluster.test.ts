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

test("a database that leaves the model while its last look is written down is not used again", async () => {
  let written = (): void => undefined;
  const witness = {
    highest: new Map(),
    observe: () =>
      new Promise<void>((resolve) => {
        written = resolve;
      }),
  } as unknown as Witness;
  const cluster = new Cluster("primary", witness, pino({ level: "silent" }));
  const settings = { poolSize: 1, poolWaitSeconds: 1 };
  cluster.configure({ ...settings, databases: [database("shared"), database("read-only")] });
  const looked = reports.get("read-only")?.({
    ...{ name: "read-only", reachable: true, inRecovery: false, closed: false, timeline: 2 },
    ...{ systemId: "1", problem: null, observedAt: 1 },
  });
  cluster.configure({ ...settings, databases: [database("shared")] });
  written();
  await looked;
  expect(cluster.state.views.map(({ name }) => name)).toEqual(["shared"]);
  expect(cluster.state.choice).toMatchObject({ writable: null, readable: null });
  await cluster.stop();
});
