import { expect } from "vitest";
import { compareEverywhere } from "../../scripts/load/compare.ts";
import { type LoadReport, WriteLoad } from "../../scripts/load/writeLoad.ts";
import type { Deployment } from "./deployment.ts";

/** Runs `work` while clients write through the gateway, then proves that every database has each acknowledged write once. */
export async function underLoad(
  deployment: Deployment,
  work: (load: WriteLoad) => Promise<void>,
): Promise<LoadReport> {
  const stack = await deployment.deployed();
  // Enough to hit any moment, not so much that the tests measure this machine.
  const load = await WriteLoad.start(stack, { clients: 4, pauseMs: 20 });
  try {
    await work(load);
  } finally {
    await load.stop();
  }
  const everywhere = await compareEverywhere(load, stack.topology);
  for (const [name, { lost, doubled, acknowledged }] of Object.entries(everywhere))
    expect({ name, lost, doubled, acknowledged }).toEqual({
      name,
      lost: [],
      doubled: [],
      acknowledged: load.acknowledged.length,
    });
  return load.report();
}
