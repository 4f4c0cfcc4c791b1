import type Docker from "dockerode";
import { type Override, parseAutoConf } from "../../core/autoConf.ts";
import { known, type Observed, unknown } from "../../core/observation.ts";
import { readContainerFile } from "../docker/container.ts";
import { messageOf } from "./container.ts";

/** What `ALTER SYSTEM` writes, inside a database's container. */
export const autoConfFile = "/var/lib/postgresql/data/postgresql.auto.conf";

/**
 * What `ALTER SYSTEM` has set in a database. Read from the file, so that it is known too of one that does not run, or
 * has not taken it over yet.
 */
export async function observeOverrides(container: Docker.Container): Promise<Observed<readonly Override[]>> {
  try {
    const text = await readContainerFile(container, autoConfFile);
    return known(text === undefined ? [] : parseAutoConf(text));
  } catch (error) {
    return unknown(`postgresql.auto.conf cannot be read (${messageOf(error)})`);
  }
}
