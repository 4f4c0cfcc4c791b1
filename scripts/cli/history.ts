import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Evidence } from "../../core/transition/evidence.ts";
import { messageOf } from "../observe/container.ts";
import { evidenceFolder, readHistory } from "../transition/evidenceStore.ts";
import type { DeployedStack } from "./pulumi.ts";
import { newTable } from "./statusTable.ts";

/**
 * The transitions of a stack, newest first: the record in the databases, and the files of this machine for those that
 * could not be recorded (no database accepted writes).
 *
 * @throws Error when no database can be asked and there is no file either
 */
export async function transitionHistory(stack: DeployedStack, limit: number): Promise<readonly Evidence[]> {
  const access = {
    ca: stack.access.caCertificate,
    user: "monitoring",
    password: stack.access.monitoringPassword,
  };
  const asked = await Promise.allSettled(
    stack.topology.databases.map((node) => readHistory(node, access, limit)),
  );
  const files = await evidenceFiles(stack.name);
  const all = [...asked.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : [])), ...files];
  const reason = asked.find((answer) => answer.status === "rejected")?.reason;
  if (all.length === 0 && asked.every(({ status }) => status === "rejected"))
    throw new Error(`no database can be asked for the record of transitions (${messageOf(reason)})`);
  const unique = new Map(all.map((evidence) => [`${evidence.startedAt} ${evidence.transitionId}`, evidence]));
  return [...unique.values()].sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)).slice(0, limit);
}

/** The history as a table for a person. */
export function renderHistory(history: readonly Evidence[]): string {
  if (history.length === 0) return "no transition was ever run on this stack";
  const table = newTable([
    "started",
    "transition",
    "id",
    "verdict",
    "writes waited",
    "lost",
    "timeline",
    "by",
  ]);
  for (const evidence of history)
    table.push([
      `${evidence.startedAt.slice(0, 19)}Z`,
      evidence.transition,
      evidence.transitionId,
      evidence.verdict,
      evidence.writeGapSeconds === null ? "-" : `${evidence.writeGapSeconds.toFixed(3)} s`,
      evidence.lostWrites === 0 ? "0" : "unknown",
      `${highestTimeline(evidence.before)} → ${highestTimeline(evidence.after)}`,
      evidence.actor,
    ]);
  return table.toString();
}

function highestTimeline(databases: Evidence["before"]): string {
  const known = databases.flatMap(({ timeline }) => (timeline === null ? [] : [timeline]));
  return known.length === 0 ? "?" : String(Math.max(...known));
}

async function evidenceFiles(stack: string): Promise<readonly Evidence[]> {
  let names: readonly string[];
  try {
    names = await readdir(evidenceFolder(stack));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
  const texts = await Promise.all(
    names
      .filter((name) => name.endsWith(".json"))
      .map((name) => readFile(join(evidenceFolder(stack), name), "utf8")),
  );
  return texts.map((text) => JSON.parse(text) as Evidence);
}
