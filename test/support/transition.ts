import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { judge } from "../../core/status.ts";
import type { Evidence } from "../../core/transition/evidence.ts";
import type { TransitionName } from "../../core/transition/step.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import type { DeployedStack } from "../../scripts/cli/pulumi.ts";
import { compareEverywhere } from "../../scripts/load/compare.ts";
import { type LoadReport, WriteLoad } from "../../scripts/load/writeLoad.ts";
import { observe } from "../../scripts/observe/index.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";
import { runTransition } from "../../scripts/transition/driver.ts";
import { evidenceFolder } from "../../scripts/transition/evidenceStore.ts";
import { keepEvidence } from "../../scripts/transition/keepEvidence.ts";
import type { Deployment } from "./deployment.ts";

type ScriptResult = Awaited<ReturnType<Deployment["script"]>>;

/** Runs a transition from the shell: `npm run transition -- NAME --id ID …`. */
export function transition(
  deployment: Deployment,
  name: string,
  id: string,
  ...options: string[]
): Promise<ScriptResult> {
  return deployment.script("scripts/transition.ts", [name, "--id", id, ...options]);
}

/**
 * The same engine in this process, without the start of a program and of Pulumi: for what is run again after a kill.
 *
 * @throws as `npm run transition` fails
 */
export async function runAgain(
  deployment: Deployment,
  name: TransitionName,
  transitionId: string,
  words: { readonly allowDataLoss?: boolean } = {},
): Promise<Evidence> {
  const { topology, access, operatorPassword } = await deployment.deployed();
  return runTransition({
    topology,
    goal: {
      transition: name,
      transitionId,
      allowDataLoss: false,
      primaryIsDown: false,
      keepDiverged: true,
      readUnsentWal: true,
      ...words,
    },
    observer: access,
    operatorPassword,
    commit: null,
    progress: () => undefined,
    keep: keepEvidence,
  });
}

/** A transition through Pulumi's config and a plain `pulumi up`. */
export function upWith(
  deployment: Deployment,
  config: Readonly<Record<string, unknown>>,
): Promise<ScriptResult> {
  deployment.configure(config);
  return deployment.pulumi(["up", "--yes", "--skip-preview", "--suppress-progress"]);
}

/** The role of every database and server, as observed now. */
export async function roles(deployment: Deployment): Promise<Readonly<Record<string, string>>> {
  const { topology, access } = await deployment.deployed();
  const { databases, servers } = judge(topology, await observe(topology, access));
  return Object.fromEntries([
    ...databases.map(({ name, role }) => [`${name} database`, role] as const),
    ...servers.map(({ name, role }) => [`${name} server`, role] as const),
  ]);
}

/** The evidence files of a stack, oldest first. */
export function evidenceFiles(deployment: Deployment): readonly Evidence[] {
  const folder = join(projectFolder, evidenceFolder(deployment.stack));
  return readdirSync(folder)
    .sort()
    .map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as Evidence);
}

/** The evidence of one transition, from its file. */
export function evidenceOf(deployment: Deployment, transitionId: string): Evidence {
  const found = evidenceFiles(deployment).filter((evidence) => evidence.transitionId === transitionId);
  const last = found.at(-1);
  if (!last) throw new Error(`no evidence of ${transitionId} in ${evidenceFolder(deployment.stack)}`);
  return last;
}

/**
 * Does something while clients write through the gateway, and says what became of their writes.
 *
 * @param knowing the token that they have and whom they trust; the present ones where it is not given
 */
export async function underLoad<T>(
  deployment: Deployment,
  work: (load: WriteLoad) => Promise<T>,
  clients = 4,
  knowing?: DeployedStack,
): Promise<{ result: T; load: WriteLoad; report: LoadReport }> {
  const load = await WriteLoad.start(knowing ?? (await deployment.deployed()), { clients, pauseMs: 20 });
  try {
    const result = await work(load);
    await load.more(clients * 5);
    return { result, load, report: await load.stop() };
  } finally {
    await load.stop();
  }
}

/** What is lost or there twice of a load, in each database; empty lists for none. */
export async function damages(
  deployment: Deployment,
  load: WriteLoad,
): Promise<Readonly<Record<string, { lost: readonly string[]; doubled: readonly string[] }>>> {
  const { topology } = await deployment.deployed();
  const compared = await compareEverywhere(load, topology);
  return Object.fromEntries(
    Object.entries(compared).map(([name, { lost, doubled }]) => [name, { lost, doubled }]),
  );
}

/** What `damages` gives where every acknowledged write is there, once, in both databases. */
export const undamaged: Readonly<
  Record<DatabaseName, { lost: readonly string[]; doubled: readonly string[] }>
> = {
  shared: { lost: [], doubled: [] },
  "read-only": { lost: [], doubled: [] },
};
