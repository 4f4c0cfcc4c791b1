import type Docker from "dockerode";
import type { Problem } from "../core/problems.ts";
import { stateFolder } from "../core/render/files.ts";
import { configNamespace } from "../core/settings.ts";
import type { DatabaseNode, Host, Topology } from "../core/topology.ts";
import { readContainerFile } from "./docker/container.ts";
import { connectEngine } from "./docker/engine.ts";
import { readIntent } from "./node/intentFile.ts";
import { messageOf, observeContainer } from "./observe/container.ts";

const backFirst =
  'Go back to the shared database first: "pulumi config set transition restore" with the model as it was. Then change the model.';

/**
 * A change of the model must not remove the one copy of the data that counts: the read-only database after a promotion,
 * or while the shared one does not accept writes. Looked up in the containers themselves, because the config no longer
 * names what it would remove. Only reads.
 *
 * @throws what the engine's client throws when it does not answer
 */
export async function removalProblems(host: Host, topology: Topology): Promise<readonly Problem[]> {
  const engine = connectEngine(host.docker);
  const wanted = new Set<string>(topology.databases.map(({ node }) => node));
  const containers = await engine.listContainers({
    all: true,
    filters: {
      label: [`pg-continuity.project=${topology.project}`, `pg-continuity.stack=${topology.stack}`],
    },
  });
  const removed: Problem[] = [];
  const orphaned: Problem[] = [];
  for (const { Id, Labels } of containers) {
    const node = Labels?.["pg-continuity.node"] ?? "";
    if (!node.endsWith("-database")) continue;
    const container = engine.getContainer(Id);
    const stays = wanted.has(node);
    const problem = await (stays ? orphanProblem : removalProblem)(node, container, topology);
    if (problem)
      (stays ? orphaned : removed).push({
        path: `${configNamespace}:model`,
        value: JSON.stringify(topology.model),
        ...problem,
      });
  }
  // Both speak of the same change.
  return removed.length > 0 ? removed : orphaned;
}

/** The same seen from a database that stays: whom it was told to follow must not leave, on whatever host that is. */
async function orphanProblem(
  node: string,
  container: Docker.Container,
  topology: Topology,
): Promise<Pick<Problem, "reason" | "remedy"> | undefined> {
  const intent = await readIntent(container);
  if (intent?.role !== "standby" || topology.databases.some(({ name }) => name === intent.upstream))
    return undefined;
  return {
    reason: `would remove ${intent.upstream}-database, which ${node} follows since transition ${intent.transitionId}: it holds the only current data`,
    remedy: backFirst,
  };
}

/** Why a database must not be removed now; undefined where it may be. */
async function removalProblem(
  node: string,
  container: Docker.Container,
  topology: Topology,
): Promise<Pick<Problem, "reason" | "remedy"> | undefined> {
  const intent = await readIntent(container);
  if (intent?.role === "primary")
    return {
      reason: `would remove ${node}, which is the writable database since transition ${intent.transitionId}: it holds the only current data`,
      remedy: backFirst,
    };
  for (const staying of topology.databases) {
    const state = await whyNotWritable(staying);
    if (state !== undefined)
      return {
        reason: `would remove ${node} while ${staying.node} does not accept writes (${state}): what ${node} holds may be the only current data`,
        remedy: `Bring ${staying.node} back first ("npm run status" says how), or promote the read-only database with the model as it was. Then change the model.`,
      };
  }
  return undefined;
}

/** Why a database does not accept writes now, as far as its container can tell; undefined where it accepts them. */
async function whyNotWritable(database: DatabaseNode): Promise<string | undefined> {
  const container = connectEngine(database.host.docker).getContainer(database.containerName);
  const observed = await observeContainer(container);
  if (!observed.known) return observed.reason;
  if (observed.value.state !== "running") return `its container is ${observed.value.state}`;
  try {
    const said = await readContainerFile(container, `${stateFolder}/node-state.json`);
    const { state, detail } = JSON.parse(said ?? "{}") as { state?: string; detail?: string };
    if (state !== "starting") return `${state ?? "it has not said anything yet"}: ${detail ?? ""}`;
    // The last word of the postmaster of itself: "ready" once it accepts writes, "standby" while it only reads.
    const lock = await readContainerFile(container, "/var/lib/postgresql/data/postmaster.pid");
    const postmaster = lock?.trimEnd().split("\n").at(-1)?.trim();
    return postmaster === "ready" ? undefined : `PostgreSQL is ${postmaster ?? "not running"}`;
  } catch (error) {
    return messageOf(error);
  }
}
