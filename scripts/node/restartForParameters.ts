// Applies the parameters that need a restart: each database in turn, in its container, in the order that replication
// demands, each only once the one before runs and streams again. Does nothing to a database that runs with them already.
//
//   environment: PARAMETERS (JSON, {name: value}), DATABASES (JSON, [{node, docker, container}])
import type Docker from "dockerode";
import { z } from "zod";
import { restartFile, stateFolder } from "../../core/render/files.ts";
import {
  forEach,
  type OrderedParameters,
  orderedParameters,
  planRestarts,
  type RestartStep,
  type RestartView,
} from "../../core/restartPlan.ts";
import { execute, putFiles } from "../docker/container.ts";
import { connectEngine } from "../docker/engine.ts";
import { databaseReady, localSql } from "./databaseState.ts";
import { readIntent } from "./intentFile.ts";
import { requiredJson, runStep, waitUntil } from "./step.ts";

const databasesSchema = z.array(z.object({ node: z.string(), docker: z.string(), container: z.string() }));

/** How long a database may take until it runs and streams again, in seconds. */
const patienceSeconds = 120;

interface Database extends RestartView {
  readonly container: Docker.Container;
  readonly role: string | undefined;
}

await runStep("restart-for-parameters", async () => {
  const given = requiredJson("PARAMETERS", z.record(z.string(), z.string()));
  const wanted = forEach((name) => Number(given[name]));
  const databases = await Promise.all(
    requiredJson("DATABASES", databasesSchema).map(async ({ node, docker, container }) =>
      look(node, connectEngine(docker).getContainer(container)),
    ),
  );
  const [primary, second] = databases.filter(({ role }) => role === "primary");
  const [standby] = databases.filter(({ role }) => role === "standby");
  if (!primary || second)
    throw new Error(
      `one database must have been told to be the primary (${databases.map(({ node, role }) => `${node}: ${role ?? "nothing"}`).join(", ")}). "npm run status" says more.`,
    );
  const steps = planRestarts(primary, standby, wanted);
  const restarted: string[] = [];
  for (const step of steps) {
    const database = databases.find(({ node }) => node === step.node);
    if (!database) throw new Error(`no database is named ${step.node}`);
    await apply(step, database, primary);
    if (step.restart) restarted.push(step.node);
  }
  return { result: restarted.length === 0 ? "nothing-to-restart" : "restarted", restarted };
});

/** What a database runs with; nothing where it does not run. */
async function look(node: string, container: Docker.Container): Promise<Database> {
  const role = (await readIntent(container))?.role;
  const ready = await databaseReady(container);
  if ("waitingFor" in ready) return { node, container, role, running: undefined, isPending: false };
  const names = orderedParameters.map((name) => `'${name}'`).join(", ");
  const rows = await localSql(
    container,
    `SELECT name || '=' || setting FROM pg_settings WHERE name IN (${names}) UNION ALL
     SELECT 'pending=' || count(*) FROM pg_settings WHERE pending_restart AND name NOT IN (${names})`,
  );
  const values = new Map(rows.split("\n").map((row) => row.split("=", 2) as [string, string]));
  const running = forEach((name) => Number(values.get(name)));
  return { node, container, role, running, isPending: values.get("pending") !== "0" };
}

async function apply(step: RestartStep, database: Database, primary: Database): Promise<void> {
  const { container, node } = database;
  if (step.afterReplay) await replayed(database, primary);
  await putFiles(container, stateFolder, [{ path: restartFile, content: render(step.values) }]);
  if (!step.restart) return;
  process.stderr.write(`restarting PostgreSQL on ${node}\n`);
  const { State } = await container.inspect();
  const restarted = await execute(container, ["restart-postgres"]).catch((error: unknown) => ({
    exitCode: -1,
    stderr: String(error),
  }));
  // What does not run cannot be asked to restart: its container is started anew.
  if (restarted.exitCode !== 0) {
    process.stderr.write(`${node}: ${restarted.stderr.trim()} (its container was ${State.Status})\n`);
    await container.restart({ t: 60 });
  }
  await waitUntil(patienceSeconds, async () => {
    const ready = await databaseReady(container);
    if ("waitingFor" in ready) return { waitingFor: `${node} (${ready.waitingFor}; see docker logs)` };
    return database.role === "standby" ? streaming(container, node) : { done: true };
  });
}

async function streaming(
  container: Docker.Container,
  node: string,
): Promise<{ done: true } | { waitingFor: string }> {
  const status = await localSql(
    container,
    "SELECT coalesce((SELECT status FROM pg_stat_wal_receiver), 'none')",
  );
  return status === "streaming"
    ? { done: true }
    : { waitingFor: `${node} to stream (WAL receiver: ${status})` };
}

/** The standby has replayed what the primary has written up to now. */
async function replayed({ container, node }: Database, primary: Database): Promise<void> {
  const position = await localSql(primary.container, "SELECT pg_current_wal_lsn()");
  await waitUntil(patienceSeconds, async () =>
    (await localSql(container, `SELECT pg_last_wal_replay_lsn() >= '${position}'::pg_lsn`)) === "t"
      ? { done: true }
      : { waitingFor: `${node} to replay up to ${position}` },
  );
}

function render(values: OrderedParameters): string {
  return orderedParameters.map((name) => `${name} = ${values[name]}\n`).join("");
}
