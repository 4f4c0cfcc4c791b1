import type { ReportContext } from "../../../core/preview/report.ts";
import type { DatabaseName } from "../../../core/vocabulary.ts";
import { topologyOf } from "../../support/fixtures.ts";
import type { StepShape } from "./digests.ts";

/** What is deployed and wanted, by the models; nothing is deployed where the one before is null. */
export function contextOf(
  models: {
    before?: string | null;
    after?: string;
    writable?: DatabaseName | null;
    givenUp?: string;
    synchronous?: boolean;
  } = {},
): ReportContext {
  const { before = "full", after = "full", writable = "shared", givenUp = "", synchronous = false } = models;
  return {
    stack: "unit",
    deployed: before === null ? null : { topology: topologyOf({ model: before, synchronous }), writable },
    wanted: topologyOf({ model: after, giveUpVolume: givenUp }),
    settings: [],
    refused: [],
    drift: [],
  };
}

/** Containers that are made anew. */
export const replaced = (...names: string[]): StepShape[] =>
  names.map((name) => ({ op: "replace", type: "container", name, differs: ["image"] }));
