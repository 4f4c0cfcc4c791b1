import type Docker from "dockerode";
import { type Intent, intentSchema } from "../../core/intent.ts";
import {
  type DatabaseObservation,
  type KeptData,
  known,
  type NodeStateObservation,
  type Observed,
  type StopObservation,
  unknown,
} from "../../core/observation.ts";
import { stateFiles, stateFolder } from "../../core/render/files.ts";
import { isStatus, readContainerFolder } from "../docker/container.ts";
import { messageOf } from "./container.ts";
import type { Queryable } from "./sharedConnection.ts";

type Files = ReadonlyMap<string, string>;

/** What a database node says of itself. */
export type NodeObservation = Pick<DatabaseObservation, "intent" | "nodeState" | "stop" | "keptData">;

/** All that it says. */
export async function observeNode(
  container: Docker.Container,
  connection: Queryable | undefined,
): Promise<NodeObservation> {
  const files = await readStateFiles(container, connection);
  return {
    intent: parsed(files, "intent.json", (text) => intentSchema.parse(JSON.parse(text))),
    nodeState: parsed(files, "node-state.json", (text) => JSON.parse(text) as NodeStateObservation),
    stop: parsed(files, "stopped.json", (text) => JSON.parse(text) as StopObservation),
    keptData: parsed(files, "kept.json", (text) => JSON.parse(text) as readonly KeptData[]),
  };
}

/**
 * Of one whose container is down, what a plan rests on: where it ended in order, if it did; else only whether it may be started
 * again as what it was, and whoever does not know that fences it. Writes may be waiting: to find that there is no such
 * file takes the engine a fiftieth of what it takes to read one.
 *
 * @param given what it was told since it is down, by whoever asks
 */
export async function observeNodeDown(
  container: Docker.Container,
  given: Intent | undefined,
): Promise<NodeObservation> {
  if (await hasStopped(container)) return observeNode(container, undefined);
  return {
    intent: given ? known(given) : notRead,
    nodeState: notRead,
    stop: known(undefined),
    keptData: notRead,
  };
}

const notRead = unknown<never>("not read, the database did not end in order");

/** Whether there may be word of where it ended. */
async function hasStopped(container: Docker.Container): Promise<boolean> {
  try {
    await container.infoArchive({ path: `${stateFolder}/${"stopped.json" satisfies StateFile}` });
    return true;
  } catch (error) {
    return !isStatus(error, 404);
  }
}

type StateFile = (typeof stateFiles)[number];

/**
 * What a database node keeps of itself. Asked over a connection to its database where there is one: to read them from the
 * container takes the engine a twentieth of a second of its processors.
 */
async function readStateFiles(
  container: Docker.Container,
  connection: Queryable | undefined,
): Promise<Observed<Files>> {
  try {
    if (connection) return known(await askForStateFiles(connection));
  } catch {
    // It may have broken since, or have been set up by a version before this question.
  }
  try {
    return known(await readContainerFolder(container, stateFolder, stateFiles));
  } catch (error) {
    return unknown(messageOf(error));
  }
}

async function askForStateFiles(connection: Queryable): Promise<Files> {
  const { rows } = await connection.query<{ name: string; content: string }>(
    "SELECT key AS name, value AS content FROM json_each_text(continuity.state_files()) WHERE value IS NOT NULL",
  );
  return new Map(rows.map(({ name, content }) => [name, content]));
}

/** One of the files, as its content says; undefined where there is none. */
function parsed<T>(
  files: Observed<Files>,
  file: StateFile,
  parse: (text: string) => T,
): Observed<T | undefined> {
  if (!files.known) return unknown(`${file} cannot be read (${files.reason})`);
  const text = files.value.get(file);
  try {
    return known(text === undefined ? undefined : parse(text));
  } catch (error) {
    return unknown(`${file} cannot be read (${messageOf(error)})`);
  }
}
