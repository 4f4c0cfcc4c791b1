import { z } from "zod";
import type { Host, Topology } from "../../core/topology.ts";
import { pulumi } from "../cli/pulumi.ts";
import { healDatabases } from "./databases.ts";
import { missingOf, reviveContainers } from "./engines.ts";
import { silentHosts } from "./silentHosts.ts";

const stateSchema = z.object({
  deployment: z.object({
    resources: z
      .array(
        z.object({
          urn: z.string(),
          type: z.string(),
          inputs: z.object({ name: z.string().optional() }).optional(),
        }),
      )
      .default([]),
  }),
});

const types = {
  container: "docker:index/container:Container",
  network: "docker:index/network:Network",
} as const;

/**
 * Before an up: containers and networks that somebody has removed are taken out of Pulumi's state, so that the up makes
 * them again. Only these are refreshed, and only on engines that answer: a refresh of everything would also forget what
 * runs on an engine that does not.
 *
 * @param tell is given a sentence for each of them
 */
export async function forgetRemoved(
  stack: string,
  topology: Topology,
  tell: (done: string) => void,
): Promise<void> {
  const missing = await missingOf(topology);
  if (missing.length === 0) return;
  const { deployment } = stateSchema.parse(JSON.parse(await pulumi(["stack", "export"], { stack })));
  const targets = missing.flatMap(({ kind, name }) => {
    const found = deployment.resources.find(
      ({ type, inputs }) => type === types[kind] && inputs?.name === name,
    );
    if (!found) return [];
    tell(`${kind} ${name} was removed: it is made again`);
    return ["--target", found.urn];
  });
  if (targets.length > 0) await pulumi(["refresh", "--yes", "--skip-preview", ...targets], { stack });
}

/**
 * After an up: whatever is not as declared and can be set right without risk. Nothing is restarted, nothing is deleted,
 * and who is writable stays as it is.
 *
 * @param tell is given a sentence for each thing done
 * @returns what could not be done, one sentence each
 */
export async function heal(topology: Topology, tell: (done: string) => void): Promise<readonly string[]> {
  const silent = await silentHosts(topology);
  const isSilent = ({ name }: Host) => silent.some(({ host }) => host.name === name);
  const containers = await reviveContainers(topology, isSilent, tell);
  const databases = await healDatabases(topology, isSilent, tell);
  return [
    ...silent.map(({ host, reason }) => `host ${host.name}: does not answer (${reason})`),
    ...containers,
    ...databases,
  ];
}
