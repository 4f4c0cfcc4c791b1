import type Docker from "dockerode";
import { parseAutoConf } from "../../core/autoConf.ts";
import type { Host, Topology } from "../../core/topology.ts";
import { type ExecResult, execute, isStatus, readContainerFile } from "../docker/container.ts";
import { databaseReady, localSql } from "../node/databaseState.ts";
import { waitUntil } from "../node/step.ts";
import { messageOf } from "../observe/container.ts";
import { containerOf } from "../observe/index.ts";
import { autoConfFile } from "../observe/overrides.ts";

/**
 * Takes back what `ALTER SYSTEM` has set in the databases, and makes slots that are missing. What only counts after a
 * restart is taken back for the next one: nothing is restarted here.
 *
 * @param isSilent hosts that are left alone, because they do not answer
 * @param tell is given a sentence for each thing done
 * @returns what could not be done, one sentence each
 */
export async function healDatabases(
  topology: Topology,
  isSilent: (host: Host) => boolean,
  tell: (done: string) => void,
): Promise<readonly string[]> {
  const failures = await Promise.all(
    topology.databases.map(async (database) => {
      if (isSilent(database.host)) return [];
      const container = containerOf(database);
      try {
        const text = await readContainerFile(container, autoConfFile);
        const overrides = text === undefined ? [] : parseAutoConf(text);
        if (overrides.length > 0) await waitUntil(30, () => databaseReady(container));
        for (const { name } of overrides) {
          await localSql(container, `ALTER SYSTEM RESET ${name}`);
          tell(`took ALTER SYSTEM of ${name} back on ${database.node}`);
        }
        for (const slot of await converge(container)) tell(`made the slot ${slot} on ${database.node} again`);
        return [];
      } catch (error) {
        return [`${database.node}: ${messageOf(error)}`];
      }
    }),
  );
  return failures.flat();
}

const notReady = 9;

/** In one go, because each start of a process inside a container takes as long as all that this one does. */
const convergeScript = `
slots() { psql -XAtq -d postgres -c "SELECT slot_name FROM pg_replication_slots"; }
before=$(slots) || exit ${notReady}
converge > /dev/null && slots | while read -r slot; do
  printf '%s\\n' "$before" | grep -qxF "$slot" || echo "$slot"
done`;

/**
 * Reloads the configuration of a database, and makes what it should have; waits for one that is starting.
 *
 * @returns the slots that were made
 */
async function converge(container: Docker.Container): Promise<readonly string[]> {
  let done = await runConverge(container);
  if (done.exitCode === notReady) {
    await waitUntil(30, () => databaseReady(container));
    done = await runConverge(container);
  }
  if (done.exitCode !== 0) throw new Error(`converge failed: ${done.stderr.trim()}`);
  return done.stdout.split("\n").filter(Boolean);
}

async function runConverge(container: Docker.Container): Promise<ExecResult> {
  try {
    return await execute(container, ["bash", "-o", "pipefail", "-c", convergeScript]);
  } catch (error) {
    // 409: the container does not run yet.
    if (isStatus(error, 409)) return { exitCode: notReady, stdout: "", stderr: messageOf(error) };
    throw error;
  }
}
