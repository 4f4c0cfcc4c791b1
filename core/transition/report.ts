import { lsnDistance } from "../lsn.ts";
import type { Observation } from "../observation.ts";
import { refusedMark } from "../problems.ts";
import type { Plan } from "./planTypes.ts";

import { describeStep, type Goal } from "./step.ts";
import { describe, viewOf } from "./view.ts";

/**
 * The preflight in words: what was observed, the verdict, and each step with what it costs. The same text in
 * `pulumi preview`, in `--dry-run` and at the head of a run.
 */
export function renderPreflight(goal: Goal, observation: Observation, plan: Plan): string {
  const lines = [`${goal.transition} (${goal.transitionId || "no transitionId"})`];
  for (const { name } of observation.databases) lines.push(`  ${databaseLine(observation, name)}`);
  if (plan.refused.length > 0) {
    lines.push(`verdict: ${refusedMark}, nothing will be changed`);
    for (const { reason, remedy } of plan.refused) lines.push(`  - ${reason}. ${remedy}`);
    return lines.join("\n");
  }
  const lossy = plan.steps.some((step) => step.kind === "promote" && step.proof === "possible loss");
  if (plan.steps.length === 0) lines.push("verdict: nothing to do, the goal is reached");
  else lines.push(lossy ? "verdict: can run, WRITES MAY BE LOST" : "verdict: can run, no write is lost");
  plan.steps.forEach((step, index) => {
    const { text, cost, about } = describeStep(step);
    lines.push(`  ${index + 1}. ${text} [${cost}, about ${about}]`);
  });
  const ready = observation.databases.flatMap(({ name, postgres }) =>
    postgres.known && postgres.value.inRecovery
      ? postgres.value.logicalSlots.filter((slot) => slot.ready).map((slot) => `${slot.name} (on ${name})`)
      : [],
  );
  if (ready.length > 0) lines.push(`  logical slots ready to come along: ${ready.join(", ")}`);
  for (const warning of plan.warnings) lines.push(`  ! ${warning}`);
  return lines.join("\n");
}

function databaseLine(observation: Observation, name: "shared" | "read-only"): string {
  const view = viewOf(observation, name);
  if (!view) return `${name}: not in this model`;
  const { postgres } = view;
  if (!postgres) return describe(view);
  const primary = observation.databases.find(({ postgres: other }) => other.known && !other.value.inRecovery);
  const lag =
    postgres.inRecovery && primary?.postgres.known
      ? `, ${lsnDistance(primary.postgres.value.lsn, postgres.lsn)} bytes behind${postgres.streaming ? "" : ", NOT streaming"}`
      : "";
  return `${describe(view)}: timeline ${postgres.timeline}, LSN ${postgres.lsn}${lag}`;
}
