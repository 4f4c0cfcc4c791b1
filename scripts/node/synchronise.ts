// Switches synchronous replication on or off, live.
//
//   --removed       the replica leaves the model: off, unless the whole stack is only being taken down
//   environment: SYNCHRONOUS (true | false), ERA, DATABASES (JSON, [{node, docker, container}])
import type Docker from "dockerode";
import { z } from "zod";
import { eraParameter } from "../../core/render/era.ts";
import { stateFolder, synchronousFile } from "../../core/render/files.ts";
import { putFiles } from "../docker/container.ts";
import { connectEngine } from "../docker/engine.ts";
import { messageOf, observeContainer } from "../observe/container.ts";
import { localSql } from "./databaseState.ts";
import { readPeers } from "./peers.ts";
import { required, requiredJson, runStep, type StepResult, waitUntil } from "./step.ts";

const databasesSchema = z.array(z.object({ node: z.string(), docker: z.string(), container: z.string() }));

interface Database {
  readonly node: string;
  readonly container: Docker.Container;
}

/** How long the replica may take to stream, and to confirm what it has, in seconds. */
const patienceSeconds = 60;
const wayOut =
  'Bring the replica back ("npm run status"), or: pulumi config set synchronous false && pulumi up';

await runStep("synchronise", async () => {
  const databases = requiredJson("DATABASES", databasesSchema).map(({ node, docker, container }) => ({
    node,
    container: connectEngine(docker).getContainer(container),
  }));
  if (process.argv.includes("--removed")) return removed(databases);
  if (required("SYNCHRONOUS") === "true") return switchOn(databases, required("ERA"));
  return switchOff(databases);
});

type Result = Omit<StepResult, "step">;

async function removed(databases: readonly Database[]): Promise<Result> {
  for (const { container } of databases)
    if ((await readPeers(container))?.length === 0) {
      await tell(container, "");
      return { result: "asynchronous" };
    }
  return { result: "kept" };
}

/** On once the replica streams; done once it has confirmed everything. */
async function switchOn(databases: readonly Database[], era: string): Promise<Result> {
  const roles = await Promise.all(
    databases.map(async (database) => ({
      ...database,
      isStandby: (await localSql(database.container, "SELECT pg_is_in_recovery()")) === "t",
    })),
  );
  const [writable, second] = roles.filter(({ isStandby }) => !isStandby);
  const [standby] = roles.filter(({ isStandby }) => isStandby);
  if (!writable || second || !standby)
    throw new Error(`one writable database and a replica are needed. ${wayOut}`);
  const sender = (what: string) =>
    localSql(
      writable.container,
      `SELECT ${what} FROM pg_stat_replication WHERE application_name = '${standby.node}' AND state = 'streaming'`,
    );
  try {
    await waitUntil(patienceSeconds, async () =>
      (await sender("state")) === ""
        ? { waitingFor: `${standby.node} to stream from ${writable.node}` }
        : { done: true },
    );
    await tell(standby.container, writable.node);
    await tell(writable.container, standby.node);
    await waitUntil(patienceSeconds, async () => {
      const state = await sender("sync_state");
      return state === "sync"
        ? { done: true }
        : { waitingFor: `${standby.node} to confirm what ${writable.node} has (it is "${state}")` };
    });
  } catch (error) {
    throw new Error(`${messageOf(error)}. ${wayOut}`);
  }
  // This commit is the first of the era; where it is, everything before it is too.
  await localSql(writable.container, `ALTER DATABASE postgres SET ${eraParameter} = '${era}'`);
  return { result: "synchronous", era };
}

/** Off on each database that can be reached, the writable one among them; the others are named. */
async function switchOff(databases: readonly Database[]): Promise<Result> {
  const failed: string[] = [];
  for (const { node, container } of databases) {
    try {
      await tell(container, "");
    } catch (error) {
      failed.push(`${node}: ${messageOf(error)}`);
    }
  }
  if (failed.length > 0)
    throw new Error(
      `writes wait for nobody on the databases that answer. Not done on ${failed.join("; ")}. Run this again once it is back.`,
    );
  return { result: "asynchronous" };
}

/** Says in a node's memory whose word its writes wait for; a stopped node reads it at its next start. */
async function tell(container: Docker.Container, confirmedBy: string): Promise<void> {
  const names = confirmedBy === "" ? "" : `FIRST 1 ("${confirmedBy}")`;
  await putFiles(container, stateFolder, [
    { path: synchronousFile, content: `synchronous_standby_names = '${names}'\n` },
  ]);
  const state = await observeContainer(container);
  if (!state.known) throw new Error(state.reason);
  if (state.value.state !== "running") return;
  try {
    await localSql(container, "SELECT pg_reload_conf()");
  } catch (error) {
    process.stderr.write(`it reads that at its next start: ${messageOf(error)}\n`);
  }
}
