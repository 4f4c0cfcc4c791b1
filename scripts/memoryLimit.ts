import type { Problem } from "../core/problems.ts";
import { fits, megabytesOf } from "../core/resourceLimits.ts";
import { configNamespace } from "../core/settings.ts";
import type { DatabaseNode, Topology } from "../core/topology.ts";
import { localSql } from "./node/databaseState.ts";
import { lookAt } from "./observe/index.ts";

/**
 * A limit that is lowered must leave room for the shared buffers that a database runs with now: smaller ones count only
 * once it is restarted, and until then the engine would kill it. Only reads.
 *
 * @param limitMegabytes what the config wants; undefined where it wants none
 */
export async function memoryLimitProblems(
  topology: Topology,
  limitMegabytes: number | undefined,
): Promise<readonly Problem[]> {
  if (limitMegabytes === undefined) return [];
  const buffers = await Promise.all(
    topology.databases.map(async (database) => ({
      node: database.node,
      megabytes: await buffersAboutToBeLimited(database, limitMegabytes),
    })),
  );
  return buffers.flatMap(({ node, megabytes }) =>
    megabytes === undefined || fits(megabytes, limitMegabytes)
      ? []
      : [
          {
            path: `${configNamespace}:resources.database.memoryMegabytes`,
            value: String(limitMegabytes),
            reason: `is too little for ${node} as it runs now, with shared_buffers of ${megabytes} MB, which may take three quarters of it`,
            remedy:
              "Apply the smaller shared_buffers first, with the limit as it was; then the limit in an up of its own.",
            isDangerous: true,
          },
        ],
  );
}

/** The shared buffers, in megabytes, of a running database whose limit becomes smaller; undefined for any other. */
async function buffersAboutToBeLimited(
  database: DatabaseNode,
  limitMegabytes: number,
): Promise<number | undefined> {
  try {
    const container = lookAt(database);
    const { HostConfig, State } = await container.inspect();
    const present = (HostConfig.Memory ?? 0) / 1024 ** 2;
    if (!State.Running || (present > 0 && present <= limitMegabytes)) return undefined;
    return megabytesOf(await localSql(container, "SHOW shared_buffers"));
  } catch {
    // What cannot be asked is not changed from here either, or does not run.
    return undefined;
  }
}
