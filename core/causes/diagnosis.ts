import type { Judged } from "./presence.ts";
import { type Cause, type CauseName, causeNames, type Diagnosis } from "./types.ts";

const titles: Readonly<Record<CauseName, string>> = {
  service: "The service does not run",
  replication: "The database or its replication",
  network: "The network between the nodes",
};

/** All causes in their order. @throws when a verdict does not fit the likely cause: one is likely, or none */
export function diagnosis(likely: CauseName | null, judged: Readonly<Record<CauseName, Judged>>): Diagnosis {
  const causes = causeNames.map((name): Cause => ({ name, title: titles[name], ...judged[name] }));
  for (const { name, verdict } of causes)
    if ((verdict === "likely") !== (name === likely))
      throw new Error(`the cause ${name} is ${verdict}, the likely one ${likely ?? "not known"}`);
  return { likely, causes };
}
