import type Docker from "dockerode";
import { parseStatistics } from "../../core/applicationStatistics.ts";
import { type ApplicationHealth, known, type Observed, unknown } from "../../core/observation.ts";
import { internalPorts } from "../../core/topology.ts";
import { execute } from "../docker/container.ts";
import { messageOf } from "./container.ts";

/**
 * What the gateway finds of one's own applications, by the names of their servers. Asked inside its container: its
 * statistics leave the host nowhere. Where it cannot be asked, a question for any name is unknown with the reason.
 */
export async function observeApplicationHealth(
  gateway: Docker.Container,
): Promise<{ get(server: string): Observed<ApplicationHealth> | undefined }> {
  try {
    const seen = parseStatistics(await gatewayCsv(gateway), "servers");
    return {
      get: (server) => {
        const health = seen.get(server);
        return health && known(health);
      },
    };
  } catch (error) {
    const nothing = unknown<ApplicationHealth>(`the gateway cannot be asked (${messageOf(error)})`);
    return { get: () => nothing };
  }
}

/**
 * The gateway's statistics as HAProxy writes them.
 *
 * @throws Error when its container cannot be asked
 */
export async function gatewayCsv(gateway: Docker.Container): Promise<string> {
  const request = `exec 3<>/dev/tcp/127.0.0.1/${internalPorts.statistics} && printf 'GET /;csv HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`;
  const { exitCode, stdout, stderr } = await execute(gateway, ["timeout", "3", "bash", "-c", request]);
  if (exitCode !== 0) throw new Error(stderr.trim() || `exit code ${exitCode}`);
  return stdout.slice(stdout.indexOf("# "));
}
