// Waits until a database whose container was made anew does again what it was told: a standby streams, the writable one
// accepts connections and is followed. Only then the next container may be touched.
//
//   environment: DOCKER_URL, CONTAINER, NAME; PEERS (JSON, [{name, docker, container}])
import type Docker from "dockerode";
import { z } from "zod";
import { connectEngine } from "../docker/engine.ts";
import { messageOf, observeContainer } from "../observe/container.ts";
import { readyWithProgress, streams } from "./copyProgress.ts";
import { databaseReady, localSql } from "./databaseState.ts";
import { readIntent } from "./intentFile.ts";
import { required, requiredJson, runStep, type StepResult, waitUntil } from "./step.ts";

/** Without a byte copied or a word from the node for so long, in seconds, it is given up. */
const patienceSeconds = 120;
const oneDay = 24 * 3600;

interface Database {
  readonly name: string;
  readonly container: Docker.Container;
}

type Result = Omit<StepResult, "step">;

await runStep("await-database", async () => {
  const own = {
    name: required("NAME"),
    container: connectEngine(required("DOCKER_URL")).getContainer(required("CONTAINER")),
  };
  const peers = requiredJson(
    "PEERS",
    z.array(z.object({ name: z.string(), docker: z.string(), container: z.string() })),
  ).map(({ name, docker, container }) => ({
    name,
    container: connectEngine(docker).getContainer(container),
  }));
  const intent = await readIntent(own.container);
  switch (intent?.role) {
    case "standby":
      return awaitStandby(
        own,
        peers.find(({ name }) => name === intent.upstream),
      );
    case "primary":
      return awaitWritable(own, peers);
    default:
      return { result: "not-in-use", role: intent?.role ?? "none" };
  }
});

/** It streams. Not waited for while nobody runs whom it could follow: then nothing is lost by going on. */
async function awaitStandby(own: Database, upstream: Database | undefined): Promise<Result> {
  if (upstream === undefined || !(await runs(upstream))) return { result: "nobody-to-follow" };
  try {
    await waitUntil(oneDay, readyWithProgress(own.container, upstream.container, patienceSeconds));
    await waitUntil(patienceSeconds, () => streams(own.container));
  } catch (error) {
    throw new Error(
      `${own.name} does not stream from ${upstream.name} again (${messageOf(error)}). ${upstream.name} is left as it is. Bring ${own.name} back ("npm run status" says how; "npm run transition -- rebuild --id ID" copies the read-only database anew), then run this again.`,
    );
  }
  // It may be the next one: what is written out now it does not have to write while writes wait.
  await localSql(upstream.container, "CHECKPOINT");
  return { result: "streaming", upstream: upstream.name };
}

/** It is open, and its standbys stream again; those that cannot are named, and hold nothing up. */
async function awaitWritable(own: Database, peers: readonly Database[]): Promise<Result> {
  const other = await writableAmong(peers);
  if (other !== undefined) return { result: "not-in-use", writable: other };
  await waitUntil(patienceSeconds, () => databaseReady(own.container));
  const followers: string[] = [];
  for (const peer of peers) {
    if ((await readIntent(peer.container))?.upstream !== own.name || !(await runs(peer))) continue;
    try {
      await waitUntil(patienceSeconds, async () => {
        const ready = await databaseReady(peer.container);
        return "waitingFor" in ready ? ready : streams(peer.container);
      });
      followers.push(peer.name);
    } catch (error) {
      process.stderr.write(`${peer.name} does not stream from ${own.name}: ${messageOf(error)}\n`);
    }
  }
  return { result: "open", followers };
}

/** An old primary that was told nothing new while another was promoted stays closed, however long one waits. */
async function writableAmong(peers: readonly Database[]): Promise<string | undefined> {
  for (const { name, container } of peers)
    if (
      "done" in (await readiness(container)) &&
      (await localSql(container, "SELECT pg_is_in_recovery()")) === "f"
    )
      return name;
  return undefined;
}

/** Readiness; of a container that is not there too. */
async function readiness(container: Docker.Container): ReturnType<typeof databaseReady> {
  try {
    return await databaseReady(container);
  } catch (error) {
    return { waitingFor: messageOf(error) };
  }
}

async function runs({ container }: Database): Promise<boolean> {
  const observed = await observeContainer(container);
  return observed.known && observed.value.state === "running";
}
