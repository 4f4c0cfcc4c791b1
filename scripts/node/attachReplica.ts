// Attaches the read-only database to the shared one: arms the guards on both sides, tells the node to follow, and
// waits until it streams. A node that is attached already keeps its intent. One that was attached in an earlier time,
// before the model lost it, is copied again: what its volume holds is old.
//
//   environment: DOCKER_URL, CONTAINER, NAME (the replica); UPSTREAM_DOCKER_URL, UPSTREAM_CONTAINER, UPSTREAM_NAME
import type Docker from "dockerode";
import { firstIntent, type Intent } from "../../core/intent.ts";
import { restartFile, stateFolder } from "../../core/render/files.ts";
import { type DatabaseName, databaseNames } from "../../core/vocabulary.ts";
import { execute, putFiles, readContainerFile } from "../docker/container.ts";
import { connectEngine } from "../docker/engine.ts";
import { readyWithProgress, streams } from "./copyProgress.ts";
import { localSql } from "./databaseState.ts";
import { armGuard, readGuard, readIntent, writeIntent } from "./intentFile.ts";
import { required, runStep, waitUntil } from "./step.ts";

/** Without a byte copied or a word from the node for so long, in seconds, it is given up. */
const patienceSeconds = 600;
const oneDay = 24 * 3600;

/** Marks a node between two attachments: what it holds must not be used. */
const beingAttached = "attach";

await runStep("attach-replica", async () => {
  const name = required("NAME");
  const upstreamName = databaseNames.find((known) => known === required("UPSTREAM_NAME"));
  if (!upstreamName) throw new Error(`UPSTREAM_NAME names no database: ${required("UPSTREAM_NAME")}`);
  const replica = connectEngine(required("DOCKER_URL")).getContainer(required("CONTAINER"));
  const upstream = connectEngine(required("UPSTREAM_DOCKER_URL")).getContainer(
    required("UPSTREAM_CONTAINER"),
  );

  const existing = await readIntent(replica);
  const isArmed = (await readGuard(upstream)).includes(name);
  const isAttached = isArmed && existing !== undefined && existing.transitionId !== beingAttached;
  if (!isAttached && existing) await refuseOtherData(replica, upstream, existing);
  if (!isAttached) await attach(replica, upstream, { name, upstreamName, existing });
  await waitUntil(oneDay, readyWithProgress(replica, upstream, patienceSeconds));
  if (isAttached && existing.role !== "standby") return { result: "kept", role: existing.role };
  await waitUntil(60, () => streams(replica));
  return { result: isAttached ? "kept" : "attached", role: "standby" };
});

/**
 * Safe to be killed anywhere: until the last line the node is closed or has no intent, and is attached anew next time.
 */
async function attach(
  replica: Docker.Container,
  upstream: Docker.Container,
  {
    name,
    upstreamName,
    existing,
  }: { name: string; upstreamName: DatabaseName; existing: Intent | undefined },
): Promise<void> {
  const now = new Date();
  const following = firstIntent({ standbyOf: upstreamName }, now);
  if (existing)
    await writeIntent(
      replica,
      { version: 1, role: "fenced", transitionId: beingAttached, writtenAt: now.toISOString() },
      { wake: true },
    );
  // A standby with less of some parameters than its primary would not start.
  const pinned = await readContainerFile(upstream, `${stateFolder}/${restartFile}`);
  if (pinned !== undefined) await putFiles(replica, stateFolder, [{ path: restartFile, content: pinned }]);
  await armGuard(upstream, [name]);
  await armGuard(replica, [upstreamName]);
  if (existing)
    await writeIntent(
      replica,
      { ...following, fresh: true, transitionId: `${beingAttached}-${now.toISOString()}` },
      { wake: true },
    );
  else await writeIntent(replica, following);
}

/** Old data is thrown away only where it is a copy of what the upstream has. */
async function refuseOtherData(
  replica: Docker.Container,
  upstream: Docker.Container,
  existing: Intent,
): Promise<void> {
  const remedy = "Look at both; a volume that is not needed any more is removed with docker volume rm.";
  if (existing.role === "primary")
    throw new Error(
      `the replica's volume was the writable database (transition ${existing.transitionId}): its data is not thrown away. ${remedy}`,
    );
  const control = await execute(replica, ["pg_controldata", "/var/lib/postgresql/data"]);
  const own = /^Database system identifier: *(\d+)$/m.exec(control.stdout)?.[1];
  const theirs = await localSql(upstream, "SELECT system_identifier FROM pg_control_system()");
  if (own !== undefined && own !== theirs)
    throw new Error(
      `the replica's volume holds another database (system identifier ${own}, the shared one has ${theirs}): it is not thrown away. ${remedy}`,
    );
}
