import { parseAutoConf } from "../../core/autoConf.ts";
import type { Topology } from "../../core/topology.ts";
import { execute, readContainerFile } from "../docker/container.ts";
import { databaseReady, localSql } from "../node/databaseState.ts";
import { waitUntil } from "../node/step.ts";
import { messageOf } from "../observe/container.ts";
import { containerOf } from "../observe/index.ts";
import { autoConfFile } from "../observe/overrides.ts";

/**
 * Takes back what `ALTER SYSTEM` has set in the databases, and makes slots that are missing. What only counts after a
 * restart is taken back for the next one: nothing is restarted here.
 *
 * @param tell is given a sentence for each thing done
 * @returns what could not be done, one sentence each
 */
export async function healDatabases(
  topology: Topology,
  tell: (done: string) => void,
): Promise<readonly string[]> {
  const failures = await Promise.all(
    topology.databases.map(async (database) => {
      const container = containerOf(database);
      try {
        await waitUntil(30, () => databaseReady(container));
        const text = await readContainerFile(container, autoConfFile);
        for (const { name } of text === undefined ? [] : parseAutoConf(text)) {
          await localSql(container, `ALTER SYSTEM RESET ${name}`);
          tell(`took ALTER SYSTEM of ${name} back on ${database.node}`);
        }
        const slots = await slotsOf(container);
        // Reloads the configuration, and makes the slots.
        const { exitCode, stderr } = await execute(container, ["converge"]);
        if (exitCode !== 0) return [`${database.node}: converge failed: ${stderr.trim()}`];
        for (const slot of await slotsOf(container))
          if (!slots.includes(slot)) tell(`made the slot ${slot} on ${database.node} again`);
        return [];
      } catch (error) {
        return [`${database.node}: ${messageOf(error)}`];
      }
    }),
  );
  return failures.flat();
}

async function slotsOf(container: Parameters<typeof localSql>[0]): Promise<readonly string[]> {
  const names = await localSql(container, "SELECT slot_name FROM pg_replication_slots");
  return names.split("\n").filter(Boolean);
}
