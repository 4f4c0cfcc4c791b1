import type { Evidence } from "../../core/transition/evidence.ts";
import type { Goal, TransitionName } from "../../core/transition/step.ts";
import type { DeployedStack } from "../cli/pulumi.ts";
import type { WriteLoad } from "../load/writeLoad.ts";
import { runTransition } from "../transition/driver.ts";
import { keepEvidence } from "../transition/keepEvidence.ts";

/** One transition under load, as clients at the gateway and the driver saw it. */
export interface MeasuredTransition {
  readonly transition: TransitionName;
  readonly transitionId: string;
  /** The longest time between two acknowledged writes at the gateway. */
  readonly gatewayGapSeconds: number;
  /** How much of that was before the order to stop writes. */
  readonly gapBeforeStopSeconds: number | null;
  /** From the order to stop writes to the first committed write, in the database. */
  readonly databaseGapSeconds: number | null;
  /** From the order to stop writes until the other database streams again. */
  readonly streamingSeconds: number | null;
  readonly failedRequests: number;
  readonly evidence: Evidence;
}

export interface MeasureOptions {
  readonly goal: Partial<Goal> & Pick<Goal, "transition" | "transitionId">;
  readonly progress: (text: string) => void;
  readonly commit?: string | null;
}

/** Acknowledged writes before and after a transition that belong to its measurement. */
const writesAround = 200;

/** Runs a transition while a load writes, and measures it. The load goes on. */
export async function measureTransition(
  stack: DeployedStack,
  load: WriteLoad,
  { goal, progress, commit = null }: MeasureOptions,
): Promise<MeasuredTransition> {
  await load.more(writesAround);
  const failedBefore = load.failed.length;
  const began = performance.now();
  const evidence = await runTransition({
    topology: stack.topology,
    goal: { allowDataLoss: false, primaryIsDown: false, keepDiverged: true, readUnsentWal: true, ...goal },
    observer: stack.access,
    operatorPassword: stack.operatorPassword,
    commit,
    progress,
    keep: keepEvidence,
  });
  await load.more(writesAround);
  const gap = load.gapSince(began);
  const stoppedAt = stopOrder(evidence);
  return {
    transition: goal.transition,
    transitionId: goal.transitionId,
    gatewayGapSeconds: gap.seconds,
    gapBeforeStopSeconds:
      stoppedAt === null ? null : (stoppedAt - (gap.from + performance.timeOrigin)) / 1000,
    databaseGapSeconds: evidence.writeGapSeconds,
    streamingSeconds: streamingSeconds(evidence, stoppedAt),
    failedRequests: load.failed.length - failedBefore,
    evidence,
  };
}

/** When the order to stop writes was given, in milliseconds since the epoch; null where there was no swap. */
function stopOrder({ steps, writeGapSeconds }: Evidence): number | null {
  const swap = steps.find(({ details }) => "stoppedSeconds" in details);
  if (!swap || writeGapSeconds === null) return null;
  return Date.parse(swap.startedAt) + (swap.seconds - writeGapSeconds) * 1000;
}

/** From that order until the last step, which waits for the old primary, has ended. */
function streamingSeconds({ steps }: Evidence, stoppedAt: number | null): number | null {
  const follow = steps.at(-1);
  if (stoppedAt === null || !follow || "stoppedSeconds" in follow.details) return null;
  return (Date.parse(follow.startedAt) + follow.seconds * 1000 - stoppedAt) / 1000;
}
