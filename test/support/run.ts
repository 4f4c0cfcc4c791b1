import { spawn } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectEngine } from "../../scripts/docker/engine.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";

/** One run of the tests: its stacks are named after it, so that nobody else's are ever touched. */
export interface TestRun {
  /** `test-` and a few random letters; every stack of the run begins with it. */
  readonly prefix: string;
  /** Temporary folder: backends, passphrases, and what the files of the run tell each other. */
  readonly folder: string;
}

export const localEngine = "unix:///var/run/docker.sock";

/**
 * Starts the process that removes what a run has left, and that outlives it: a run may end at once on a signal, and
 * nobody can act on a SIGKILL.
 *
 * @returns to be called when the run has cleaned up by itself
 */
export function startReaper({ prefix, folder }: TestRun): () => void {
  const program = fileURLToPath(new URL("reaper.ts", import.meta.url));
  const reaper = spawn(process.execPath, ["--import=tsx/esm", program, prefix, folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  reaper.unref();
  return () => reaper.stdin.end();
}

/** Removes what stacks of a prefix have left on an engine, data too, and their config files. Returns what it was. */
export async function reap(prefix: string, engineUrl = localEngine): Promise<readonly string[]> {
  const engine = connectEngine(engineUrl);
  const filters = { label: ["pg-continuity.stack"] };
  const isOurs = (labels: Readonly<Record<string, string>> | null | undefined) =>
    labels?.["pg-continuity.stack"]?.startsWith(prefix) === true;
  const reaped: string[] = [];

  for (const { Id, Labels, Names } of await engine.listContainers({ all: true, filters }))
    if (isOurs(Labels)) {
      await engine.getContainer(Id).remove({ force: true, v: true });
      reaped.push(`container ${Names[0] ?? Id}`);
    }
  for (const { Id, Labels, Name } of await engine.listNetworks({ filters }))
    if (isOurs(Labels)) {
      await engine.getNetwork(Id).remove();
      reaped.push(`network ${Name}`);
    }
  const { Volumes } = await engine.listVolumes({ filters });
  for (const { Name, Labels } of Volumes ?? [])
    if (isOurs(Labels)) {
      await engine.getVolume(Name).remove();
      reaped.push(`volume ${Name}`);
    }
  for (const { Id, Labels, RepoTags } of await engine.listImages({ filters }))
    if (isOurs(Labels)) {
      await engine.getImage(Id).remove({ force: true });
      reaped.push(`image ${RepoTags?.[0] ?? Id}`);
    }
  for (const file of readdirSync(projectFolder))
    if (file.startsWith(`Pulumi.${prefix}`)) {
      rmSync(join(projectFolder, file), { force: true });
      reaped.push(file);
    }
  return reaped;
}
