import type Docker from "dockerode";
import { known, type Observed, unknown } from "../../core/observation.ts";
import { stateFiles, stateFolder } from "../../core/render/files.ts";
import { readContainerFolder } from "../docker/container.ts";
import { messageOf } from "./container.ts";
import type { Queryable } from "./sharedConnection.ts";

type Files = ReadonlyMap<string, string>;

/**
 * What a database node keeps of itself. Asked over a connection to its database where there is one: to read them from the
 * container takes the engine a twentieth of a second of its processors.
 */
export async function readStateFiles(
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
export function parsed<T>(
  files: Observed<Files>,
  file: (typeof stateFiles)[number],
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
