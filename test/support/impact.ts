import { expect } from "vitest";
import { type Interruption, turnSeconds } from "../../core/preview/interruptions.ts";
import type { ImpactReport } from "../../core/preview/report.ts";
import type { Deployment } from "./deployment.ts";

/** What `npm run preview -- --json` says, and its exit code. */
export async function previewOf(
  deployment: Deployment,
): Promise<ImpactReport & { readonly exitCode: number | undefined }> {
  const { exitCode, stdout, all } = await deployment.script("scripts/preview.ts", ["--json"]);
  if (stdout === "") throw new Error(all);
  return { ...(JSON.parse(stdout) as ImpactReport), exitCode };
}

/** A client whose requests took longer than this has noticed something, in seconds: on a busy machine an `up` beside it costs one. */
const noticeableSeconds = 3;

/** What was announced is what was seen: who was told "go on" saw neither failure nor wait, who was told "stop" waited about that long. */
export function expectSame(
  what: "writes" | "reads",
  announced: Interruption,
  observed: { readonly gapSeconds: number; readonly failed: readonly string[] },
): void {
  const { gapSeconds, failed } = observed;
  if (!announced.stops) {
    expect({ what, failed }).toEqual({ what, failed: [] });
    expect([what, gapSeconds]).toEqual([
      what,
      expect.toSatisfy((gap: number) => gap < noticeableSeconds, `less than ${noticeableSeconds} s`),
    ]);
    return;
  }
  const seconds = announced.seconds ?? Number.POSITIVE_INFINITY;
  // To turn to another server may take no time at all.
  const least = seconds === turnSeconds ? 0 : seconds / 5;
  // A busy machine is slower, but not without bounds.
  const most = Math.max(seconds * 4, seconds + 2);
  expect([what, gapSeconds]).toEqual([
    what,
    expect.toSatisfy((gap: number) => gap >= least && gap < most, `between ${least} and ${most} s`),
  ]);
}
