import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DatabaseNode } from "../../core/topology.ts";
import { applicationDatabase } from "../../core/topology.ts";
import type { Evidence } from "../../core/transition/evidence.ts";
import { connectDatabase, type DatabaseAccess } from "../observe/postgres.ts";

/** Where the evidence of a stack's transitions is kept beside the project; not committed. */
export function evidenceFolder(stack: string): string {
  return join(".state", "evidence", stack);
}

/**
 * Writes the evidence to a file, in one step.
 *
 * @returns the file's path
 */
export async function writeEvidenceFile(evidence: Evidence): Promise<string> {
  const folder = evidenceFolder(evidence.stack);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const time = evidence.startedAt.replaceAll(/[:.]/g, "-");
  const id = evidence.transitionId.replaceAll(/[^A-Za-z0-9._-]/g, "_").slice(0, 60);
  const path = join(folder, `${time}-${evidence.transition}-${id}.json`);
  await writeFile(`${path}.new`, `${JSON.stringify(evidence, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return path;
}

/** Adds the evidence to the record in a writable database. Nobody can change or delete a row there. */
export async function recordEvidence(
  node: DatabaseNode,
  operator: DatabaseAccess,
  evidence: Evidence,
): Promise<void> {
  const client = await connectDatabase(node, operator, applicationDatabase);
  try {
    // The record must not wait for a replica that the transition has just done without.
    await client.query("SET synchronous_commit = local");
    await client.query("INSERT INTO continuity.transition (evidence) VALUES ($1)", [
      JSON.stringify(evidence),
    ]);
  } finally {
    await client.end();
  }
}

/** The record of transitions, newest first, from any database that answers. */
export async function readHistory(
  node: DatabaseNode,
  monitoring: DatabaseAccess,
  limit: number,
): Promise<readonly Evidence[]> {
  const client = await connectDatabase(node, monitoring, applicationDatabase);
  try {
    const { rows } = await client.query<{ evidence: Evidence }>(
      "SELECT evidence FROM continuity.transition ORDER BY id DESC LIMIT $1",
      [limit],
    );
    return rows.map(({ evidence }) => evidence);
  } finally {
    await client.end();
  }
}
