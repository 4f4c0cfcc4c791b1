import { hostname, userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { requestBackup } from "../../core/backups/statements.ts";
import type { DeployedStack } from "../cli/pulumi.ts";
import { withRecord } from "../observe/backups.ts";
import { observe } from "../observe/index.ts";
import { type Backup, listOf } from "./list.ts";

const pollMs = 500;
/** A container that runs takes a request within seconds. */
const takenWithinMs = 60_000;
/** As long as no database answers (a transition runs), nothing is known of the backup. */
const silentForMs = 60_000;

/**
 * Asks for a backup and waits until it is good or has failed. One that is under way already is waited for instead.
 *
 * @param tell is given a line whenever something has changed
 * @throws Error when it cannot be asked for, is not taken, or its record cannot be read any more
 */
export async function backUpNow(stack: DeployedStack, tell: (text: string) => void): Promise<Backup> {
  await refuseIfNobodyMakesIt(stack);
  const id = await request(stack);
  const asked = id ?? (await pendingOf(stack));
  tell(
    id === undefined
      ? `backup ${asked} is under way already: it is waited for`
      : `backup ${asked} is asked for`,
  );
  const began = performance.now();
  let heard = began;
  let last = "";
  for (;;) {
    const found = await listOf(stack, 100).then(
      (all) => all.find((backup) => backup.id === asked),
      (error: unknown) => {
        if (performance.now() - heard > silentForMs) throw error;
        return null;
      },
    );
    if (found === undefined)
      throw new Error(
        `backup ${asked} is on record no more: another database is the writable one now. Ask again.`,
      );
    if (found !== null) {
      heard = performance.now();
      if (found.state !== "requested" && found.state !== "running") return found;
      const now = progressOf(found);
      if (now !== last) tell(now);
      last = now;
      if (found.state === "requested" && heard - began > takenWithinMs)
        throw new Error(
          `backup ${asked} is not taken by ${stack.topology.backup?.containerName}: look at what it says (docker logs). The request stays.`,
        );
    }
    await sleep(pollMs);
  }
}

/** In words: `running: 42 of 120 MB`. */
export function progressOf({ state, progress }: Pick<Backup, "state" | "progress">): string {
  if (progress === null || progress.of === null) return state;
  const megabytes = (bytes: number | null) => Math.round((bytes ?? 0) / 1024 ** 2);
  return `${state}: ${progress.phase}, ${megabytes(progress.bytes)} of ${megabytes(progress.of)} MB`;
}

async function refuseIfNobodyMakesIt({ topology, access }: DeployedStack): Promise<void> {
  const { backup } = await observe(topology, access);
  const container = backup?.container;
  if (container?.known === true && container.value.state !== "running")
    throw new Error(
      `no backup can be made: container ${topology.backup?.containerName} is ${container.value.state}. Start it with "npm run up".`,
    );
}

/** The id of the request; undefined where one is under way. */
async function request({ topology, access, operatorPassword }: DeployedStack): Promise<number | undefined> {
  const login = { ca: access.caCertificate, user: "operator", password: operatorPassword };
  const who = `${userInfo().username}@${hostname()}`;
  return withRecord(
    topology,
    login,
    async (client) => (await client.query<{ id: number }>(requestBackup, [who])).rows[0]?.id,
    { writes: true },
  );
}

async function pendingOf(stack: DeployedStack): Promise<number> {
  const pending = (await listOf(stack, 100)).find(
    ({ state }) => state === "requested" || state === "running",
  );
  if (pending) return pending.id;
  // It has ended between the two questions.
  const id = await request(stack);
  if (id === undefined)
    throw new Error('another backup has begun meanwhile; "npm run backup -- list" shows it.');
  return id;
}
