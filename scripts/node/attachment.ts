// How a database comes to follow the writable one: copied by base backup, as a new replica, or as one that moves here
// from another host. Until it is copied the one on the other host goes on; then it is stopped, and its place taken.
import type Docker from "dockerode";
import { z } from "zod";
import { firstIntent, type Intent } from "../../core/intent.ts";
import { restartFile, stateFolder } from "../../core/render/files.ts";
import { type DatabaseName, slotName } from "../../core/vocabulary.ts";
import { execute, isStatus, putFiles, readContainerFile } from "../docker/container.ts";
import { connectEngine, lookAtEngine } from "../docker/engine.ts";
import { messageOf } from "../observe/container.ts";
import { readyWithProgress, streams } from "./copyProgress.ts";
import { databaseReady, localSql } from "./databaseState.ts";
import { armGuard, readGuard, readIntent, writeIntent } from "./intentFile.ts";
import { waitUntil } from "./step.ts";

/** Without a byte copied or a word from the node for so long, in seconds, it is given up. */
const patienceSeconds = 600;
const oneDay = 24 * 3600;

/** Marks a node between two attachments: what it holds must not be used. */
const beingAttached = "attach";

/** The other hosts of the config, as a step is given them in OTHER_HOSTS. */
export const otherHostsSchema = z.array(z.object({ name: z.string(), docker: z.string() }));

/** A database of the deployment, and its container. */
export interface DatabaseContainer {
  readonly name: DatabaseName;
  readonly container: Docker.Container;
}

/** A container of the same node that is still on another host. */
export interface Elsewhere {
  readonly host: string;
  readonly id: string;
  readonly container: Docker.Container;
}

/** Where a node that moves still is; undefined where it does not move. A host that does not answer is told of, and left out. */
export async function findElsewhere(
  containerName: string,
  hosts: z.infer<typeof otherHostsSchema>,
): Promise<Elsewhere | undefined> {
  const found = await Promise.all(
    hosts.map(async ({ name, docker }) => {
      try {
        const { Id } = await lookAtEngine(docker).getContainer(containerName).inspect();
        return [{ host: name, id: Id, container: connectEngine(docker).getContainer(containerName) }];
      } catch (error) {
        if (!isStatus(error, 404))
          process.stderr.write(
            `host ${name}: whether ${containerName} is still there is not known (${messageOf(error)})\n`,
          );
        return [];
      }
    }),
  );
  return found.flat()[0];
}

/**
 * Lets a database follow another, and waits until it streams. One that follows already keeps its intent. One that was
 * attached in an earlier time, or holds what it had before it moved away, is copied again: that is old.
 *
 * Safe to be killed anywhere: until its intent is written the node is closed or has none, and is attached anew next time.
 *
 * @throws Error where what it holds is no copy of the upstream's data, or the upstream is not the writable database
 */
export async function attach(
  replica: DatabaseContainer,
  upstream: DatabaseContainer,
  elsewhere: Elsewhere | undefined,
): Promise<{ readonly result: string; readonly role: string }> {
  const existing = await readIntent(replica.container);
  const isArmed = (await readGuard(upstream.container)).includes(replica.name);
  const move = elsewhere && `${beingAttached}-from-${elsewhere.id.slice(0, 12)}`;
  const isAttached =
    move === undefined
      ? isArmed && existing !== undefined && existing.transitionId !== beingAttached
      : existing?.transitionId === move;
  if (!isAttached) {
    await refuseReadOnly(replica, upstream);
    if (existing) await refuseOtherData(replica, upstream, existing);
    await tellToFollow(replica, upstream, existing, move);
  }
  await waitUntil(oneDay, readyWithProgress(replica.container, upstream.container, patienceSeconds));
  if (isAttached && existing?.role !== "standby") return { result: "kept", role: existing?.role ?? "none" };
  if (elsewhere && move) await takeItsPlace(replica, upstream, elsewhere, move);
  await untilStreaming(replica, upstream);
  return { result: isAttached ? "kept" : elsewhere ? "moved" : "attached", role: "standby" };
}

async function tellToFollow(
  { name, container }: DatabaseContainer,
  upstream: DatabaseContainer,
  existing: Intent | undefined,
  move: string | undefined,
): Promise<void> {
  const now = new Date();
  const following = firstIntent({ standbyOf: upstream.name }, now);
  if (existing)
    await writeIntent(
      container,
      { version: 1, role: "fenced", transitionId: beingAttached, writtenAt: now.toISOString() },
      { wake: true },
    );
  // A standby with less of some parameters than its primary would not start.
  const pinned = await readContainerFile(upstream.container, `${stateFolder}/${restartFile}`);
  if (pinned !== undefined) await putFiles(container, stateFolder, [{ path: restartFile, content: pinned }]);
  await armGuard(upstream.container, [name]);
  await armGuard(container, [upstream.name]);
  if (existing || move)
    await writeIntent(
      container,
      { ...following, fresh: true, transitionId: move ?? `${beingAttached}-${now.toISOString()}` },
      { wake: true },
    );
  else await writeIntent(container, following);
}

/** Stops the one on the other host once this one is copied: from then on the slot is free for this one. */
async function takeItsPlace(
  replica: DatabaseContainer,
  upstream: DatabaseContainer,
  elsewhere: Elsewhere,
  move: string,
): Promise<void> {
  await waitUntil(patienceSeconds, async () => {
    const copiedFor = await readContainerFile(
      replica.container,
      "/var/lib/postgresql/data/pg-continuity-copy",
    );
    if (copiedFor?.trim() !== move) return { waitingFor: "the copy" };
    return databaseReady(replica.container);
  });
  // Promoted while this one was copied: then that one is the writable database.
  const told = await readIntent(elsewhere.container);
  if (told?.role === "primary")
    throw new Error(
      `refused: the ${replica.name} database on host ${elsewhere.host} is the writable one since transition ${told.transitionId}. Set the placement back ("pulumi up" removes the copy here); it can move once another one is writable.`,
    );
  await refuseReadOnly(replica, upstream);
  process.stderr.write(`copied; the ${replica.name} database on host ${elsewhere.host} is stopped\n`);
  try {
    await elsewhere.container.stop({ t: 60 });
  } catch (error) {
    // 304: it was stopped already, as by a run that was killed here.
    if (!isStatus(error, 304)) throw error;
  }
  // It should have nothing to read first when it is needed.
  await localSql(upstream.container, "CHECKPOINT");
}

async function untilStreaming(replica: DatabaseContainer, upstream: DatabaseContainer): Promise<void> {
  try {
    await waitUntil(60, () => streams(replica.container));
  } catch (error) {
    const slot = slotName(replica.name);
    const address = await localSql(
      upstream.container,
      `SELECT coalesce(host(client_addr), 'an unknown address') FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid WHERE slot_name = '${slot}'`,
    );
    if (address === "") throw error;
    throw new Error(
      `${messageOf(error)}. Slot ${slot} is used by another one, at ${address}. If the ${replica.name} database moves from there, its host has to stand under pg-continuity:hosts, and answer, until it has moved; else stop that one. Then run this again.`,
    );
  }
}

/** A copy is made of the writable database, and of no other. */
async function refuseReadOnly(replica: DatabaseContainer, upstream: DatabaseContainer): Promise<void> {
  const told = await readIntent(upstream.container);
  if (told?.role === "primary") return;
  throw new Error(
    `${upstream.name} is not the writable database (${told ? `${told.role} since transition ${told.transitionId}` : "it was told nothing yet"}): ${replica.name} cannot be copied from it. Set the placement and the model back; "npm run status" says who is writable.`,
  );
}

/** Old data is thrown away only where it is a copy of what the upstream has. */
async function refuseOtherData(
  replica: DatabaseContainer,
  upstream: DatabaseContainer,
  existing: Intent,
): Promise<void> {
  const remedy = "Look at both; a volume that is not needed any more is removed with docker volume rm.";
  if (existing.role === "primary")
    throw new Error(
      `the replica's volume was the writable database (transition ${existing.transitionId}): its data is not thrown away. ${remedy}`,
    );
  const control = await execute(replica.container, ["pg_controldata", "/var/lib/postgresql/data"]);
  const own = /^Database system identifier: *(\d+)$/m.exec(control.stdout)?.[1];
  const theirs = await localSql(upstream.container, "SELECT system_identifier FROM pg_control_system()");
  if (own !== undefined && own !== theirs)
    throw new Error(
      `the replica's volume holds another database (system identifier ${own}, ${upstream.name} has ${theirs}): it is not thrown away. ${remedy}`,
    );
}
