import type { Host, Topology } from "../../core/topology.ts";
import { lookAtEngine } from "../docker/engine.ts";
import { messageOf } from "../observe/container.ts";

/** The hosts of a stack whose engine does not answer now, with the reason. */
export async function silentHosts(
  topology: Pick<Topology, "hosts">,
): Promise<readonly { readonly host: Host; readonly reason: string }[]> {
  const asked = await Promise.all(
    topology.hosts.map(async (host) => {
      try {
        await lookAtEngine(host.docker).ping();
        return [];
      } catch (error) {
        return [{ host, reason: messageOf(error) }];
      }
    }),
  );
  return asked.flat();
}
