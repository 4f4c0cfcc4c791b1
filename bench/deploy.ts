import type { Suite } from "./suite.ts";
import { medianParts, repeat, type Timing, timePulumi, timeUp } from "./timing.ts";

/** Bringing a full deployment up from nothing, doing nothing on one that is up, and previewing it. */
export const deploy: Suite = {
  name: "up",
  description: "npm run up from nothing to serving, npm run up and pulumi preview with nothing to do",
  async run({ stack, runs, say }) {
    const fromNothing = await repeat(runs, async (run) => {
      say(`up from nothing, ${run} of ${runs}`);
      const timing = await timeUp(stack);
      // The last one stays for what is measured next.
      if (run < runs) await gone(stack.down("--volumes"));
      return timing;
    });
    const again = await repeat(runs, (run) => {
      say(`up with nothing to do, ${run} of ${runs}`);
      return timeUp(stack);
    });
    const plain = await repeat(runs, (run) => {
      say(`pulumi up with nothing to do, ${run} of ${runs}`);
      return timePulumi(stack, ["up", "--yes", "--skip-preview", "--suppress-outputs"]);
    });
    const preview = await repeat(runs, (run) => {
      say(`preview, ${run} of ${runs}`);
      return timePulumi(stack, ["preview", "--expect-no-changes"]);
    });
    return [
      measurement("npm run up from nothing to serving (images built)", fromNothing, 30),
      measurement("npm run up with nothing to do", again, 6),
      measurement("pulumi up with nothing to do", plain, 6),
      measurement("pulumi preview", preview, 6),
    ];
  },
};

function measurement(what: string, timings: readonly Timing[], targetSeconds: number) {
  return {
    what,
    seconds: timings.map(({ seconds }) => seconds),
    targetSeconds,
    parts: medianParts(timings),
  };
}

async function gone(down: Promise<{ exitCode: number | undefined; all: string }>): Promise<void> {
  const { exitCode, all } = await down;
  if (exitCode !== 0) throw new Error(`down ended with ${exitCode}:\n${all}`);
}
