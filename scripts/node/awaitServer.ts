// Waits until a server whose container was made anew does its duty, and the gateway sends it requests: only then the
// server that stood in for it may be touched.
//
//   environment: SERVER (JSON, {name, node, published}), GATEWAY (JSON, {docker, container})
import { z } from "zod";
import { type GatewayView, parseGatewayStatistics } from "../../core/gatewayStatistics.ts";
import { configurationFolder } from "../../core/render/files.ts";
import { internalPorts } from "../../core/topology.ts";
import { execute, readContainerFile } from "../docker/container.ts";
import { connectEngine } from "../docker/engine.ts";
import { messageOf } from "../observe/container.ts";
import { ask } from "../observe/server.ts";
import { requiredJson, runStep, waitUntil } from "./step.ts";

const patienceSeconds = 60;

const serverSchema = z.object({
  name: z.string(),
  node: z.string(),
  published: z.object({ address: z.string(), port: z.number() }),
});

await runStep("await-server", async () => {
  const server = requiredJson("SERVER", serverSchema);
  const { docker, container } = requiredJson(
    "GATEWAY",
    z.object({ docker: z.string(), container: z.string() }),
  );
  const gateway = connectEngine(docker).getContainer(container);
  const view = async () => parseGatewayStatistics(await statistics(gateway));
  try {
    const ca = await readContainerFile(gateway, `${configurationFolder}/ca.crt`);
    await waitUntil(patienceSeconds, () => doesItsDuty(server, ca ?? ""));
    await waitUntil(patienceSeconds, async () => {
      const { isAlive, isOnDuty } = (await view()).get(server.name) ?? { isAlive: false, isOnDuty: false };
      return isAlive && isOnDuty
        ? { done: true }
        : { waitingFor: `the gateway to send requests to ${server.node}` };
    });
  } catch (error) {
    const others = [...(await view().catch(() => new Map<string, GatewayView>()))].filter(
      ([name, { isOnDuty }]) => name !== server.name && isOnDuty,
    );
    // Where nobody serves, as while no database is writable, there is nobody to be spared.
    if (others.length === 0) return { result: "nobody-serves", reason: messageOf(error) };
    throw new Error(
      `${server.node} does not serve again (${messageOf(error)}). The servers that do are left as they are. "npm run status" says more; then run this again.`,
    );
  }
  return { result: "serving" };
});

async function doesItsDuty(
  server: z.infer<typeof serverSchema>,
  ca: string,
): Promise<{ done: true } | { waitingFor: string }> {
  const answer = await ask(server, ca, `/${server.name}`, { timeoutSeconds: 2 }).then(
    ({ status }) => (status === 200 ? undefined : `it answers ${status}`),
    messageOf,
  );
  return answer === undefined
    ? { done: true }
    : { waitingFor: `${server.node} to do its duty (${answer}; see docker logs)` };
}

/** HAProxy's statistics, asked for inside its container: outside they may be out of reach. */
async function statistics(gateway: Parameters<typeof execute>[0]): Promise<string> {
  const script = `exec 3<>/dev/tcp/127.0.0.1/${internalPorts.statistics} && printf 'GET /;csv HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`;
  const { exitCode, stdout, stderr } = await execute(gateway, ["bash", "-c", script]);
  if (exitCode !== 0) throw new Error(`the gateway's statistics cannot be read: ${stderr.trim()}`);
  return stdout;
}
