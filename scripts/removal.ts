import type Docker from "dockerode";
import type { Problem } from "../core/problems.ts";
import { stateFolder } from "../core/render/files.ts";
import { configNamespace } from "../core/settings.ts";
import { type DatabaseNode, dataVolumeName, type Host, peersOf, type Topology } from "../core/topology.ts";
import { readContainerFile } from "./docker/container.ts";
import { lookAtEngine } from "./docker/engine.ts";
import { readIntent } from "./node/intentFile.ts";
import { messageOf, observeContainer } from "./observe/container.ts";

const backFirst =
  'Go back to the shared database first: "pulumi config set transition restore" with the model as it was. Then change the model.';
const elsewhereFirst = ({ databases }: Topology) =>
  databases.length > 1
    ? 'Make the other database the writable one first ("pulumi config set transition promote", or restore) with the placement as it was. Then move it (docs/hosts.md).'
    : 'There is no other database that could be the writable one meanwhile: "pulumi config set model full" with the placement as it was, then promote, then move it (docs/hosts.md).';

/**
 * A change of the model or of the placement must not remove the one copy of the data that counts: the writable
 * database, or the other one while that does not accept writes. Looked up in the containers themselves, because the
 * config no longer names what it would remove. Only reads.
 *
 * @throws what the engine's client throws when it does not answer
 */
export async function removalProblems(host: Host, topology: Topology): Promise<readonly Problem[]> {
  const engine = lookAtEngine(host.docker);
  const wanted = new Map<string, DatabaseNode>(
    topology.databases.map((database) => [database.node, database]),
  );
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
    const goesTo = wanted.get(node)?.host.name;
    if (goesTo !== undefined && goesTo !== host.name) {
      const problem = await removalProblem(node, container, topology, elsewhereFirst(topology));
      if (problem)
        removed.push({
          path: `${configNamespace}:placement.${node}`,
          value: JSON.stringify(goesTo),
          ...problem,
        });
      continue;
    }
    const stays = goesTo !== undefined;
    const problem = await (stays
      ? orphanProblem(node, container, topology)
      : removalProblem(node, container, topology, backFirst));
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

/**
 * A data volume that the config gives up must be one that nobody needs: not that of the writable database, and only
 * while that one accepts writes. What cannot be asked counts as needed.
 */
export async function givenUpProblem(topology: Topology): Promise<Problem | undefined> {
  const { givenUpVolume } = topology;
  const database = topology.databases.find((node) => dataVolumeName(topology, node) === givenUpVolume);
  if (database === undefined) return undefined;
  const problem = (reason: string): Problem => ({
    path: `${configNamespace}:giveUpVolume`,
    value: JSON.stringify(givenUpVolume),
    reason,
    remedy: 'Leave it: "pulumi config rm giveUpVolume". "npm run status" says who is writable.',
  });
  try {
    const intent = await readIntent(lookAtEngine(database.host.docker).getContainer(database.containerName));
    if (intent?.role === "primary")
      return problem(`holds the data of ${database.node}, which is the writable database`);
    for (const other of peersOf(topology, database)) {
      const state = await whyNotWritable(other);
      if (state !== undefined)
        return problem(`may hold the only current data: ${other.node} does not accept writes (${state})`);
    }
    return undefined;
  } catch (error) {
    return problem(`may be needed, ${database.node} cannot be asked (${messageOf(error)})`);
  }
}

/** Why a database must not be removed now; undefined where it may be. */
async function removalProblem(
  node: string,
  container: Docker.Container,
  topology: Topology,
  wayOut: string,
): Promise<Pick<Problem, "reason" | "remedy"> | undefined> {
  const intent = await readIntent(container);
  if (intent?.role === "primary")
    return {
      reason: `would remove ${node}, which is the writable database since transition ${intent.transitionId}: it holds the only current data`,
      remedy: wayOut,
    };
  for (const staying of topology.databases) {
    if (staying.node === node) continue;
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
  const container = lookAtEngine(database.host.docker).getContainer(database.containerName);
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
