import type { Evidence } from "../../core/transition/evidence.ts";
import { messageOf } from "../observe/container.ts";
import { type ActionContext, nodeOf } from "./context.ts";
import { recordEvidence, writeEvidenceFile } from "./evidenceStore.ts";

/**
 * Keeps the evidence: a file always, and a row in the writable database where there is one. That there is none is
 * told, and is no reason to call a transition failed that was not.
 */
export async function keepEvidence(evidence: Evidence, context: ActionContext): Promise<void> {
  const path = await writeEvidenceFile(evidence);
  context.progress(`evidence: ${path}`);
  const writable = evidence.after.find(({ role }) => role === "primary");
  if (!writable) {
    context.progress("warning: no database accepts writes, the evidence is in the file only");
    return;
  }
  try {
    await recordEvidence(nodeOf(context, writable.name), context.operator, evidence);
  } catch (error) {
    context.progress(`warning: the evidence is in the file only (${messageOf(error)})`);
  }
}
