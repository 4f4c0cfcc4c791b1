import type { RejoinObservation } from "../../core/observation.ts";
import { stateFolder } from "../../core/render/files.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { readContainerFile } from "../docker/container.ts";
import { containerOf } from "../observe/index.ts";
import { type ActionContext, nodeOf } from "./context.ts";
import type { KeptConnection } from "./keptConnection.ts";

const rejoinFile = `${stateFolder}/rejoin.json`;

/** How a database has become a standby in this transition; null where it was one before. */
export async function rejoinOf(
  name: DatabaseName,
  standby: KeptConnection,
  context: ActionContext,
): Promise<RejoinObservation | null> {
  const text =
    (await saidBy(standby)) ?? (await readContainerFile(containerOf(nodeOf(context, name)), rejoinFile));
  if (text === undefined) return null;
  const rejoin = JSON.parse(text) as RejoinObservation;
  return rejoin.transitionId === context.goal.transitionId ? rejoin : null;
}

/** What the standby itself says; undefined where it says nothing, as one that was set up by an earlier version. */
async function saidBy(standby: KeptConnection): Promise<string | undefined> {
  try {
    const [row] = await standby.query<{ said: string | null }>(
      "SELECT continuity.state_files() ->> 'rejoin.json' AS said",
    );
    return row?.said ?? undefined;
  } catch {
    return undefined;
  }
}
