import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import autocannon from "autocannon";
import { execa } from "execa";
import type { ServerProcess } from "../test/support/serverProcess.ts";
import { ServerWorld } from "../test/support/serverWorld.ts";
import type { Measurement, Part, Suite } from "./suite.ts";

const clients = 32;
const warmUpSeconds = 2;
const seconds = 8;
const resources = 500;
const targets = { reveals: 2000, writes: 500, p99Seconds: 0.1 } as const;

/**
 * One application server on a database with a streaming standby, all on this machine together with the clients:
 * reveals and writes, each with its audit event.
 */
export const server: Suite = {
  name: "server",
  description: `one application server: reveals and audited writes with ${clients} clients`,
  async run({ runs, say }) {
    await using world = await ServerWorld.create("bench");
    const primary = await world.start("primary", { logLevel: "info" });
    const ids: string[] = [];
    for (let index = 0; index < resources; index += 1) {
      const { body } = await primary.send("POST", "/api/resources", resource(`bench-${index}`));
      ids.push(String(body.id));
    }
    const load = (requests: autocannon.Request[], duration: number) =>
      autocannon({
        url: `https://127.0.0.1:${primary.port}`,
        connections: clients,
        duration,
        headers: { authorization: `Bearer ${world.options.token}`, "content-type": "application/json" },
        requests,
      });
    const reveals = ids.map((id) => ({ method: "GET" as const, path: `/api/resources/${id}/secret` }));
    const body = JSON.stringify(resource("bench-write"));
    const writes = [{ method: "POST" as const, path: "/api/resources", body }];

    const measurements: Measurement[] = [];
    for (const [what, requests, target] of [
      ["reveals", reveals, targets.reveals],
      ["writes", writes, targets.writes],
    ] as const) {
      await load([...requests], warmUpSeconds);
      const perThousand: number[] = [];
      const p99: number[] = [];
      let parts: readonly Part[] = [];
      for (let run = 0; run < runs; run += 1) {
        const [result, busy] = await Promise.all([load([...requests], seconds), busyParts(world, primary)]);
        if (result.errors + result.non2xx > 0) {
          throw new Error(`${what}: ${result.errors} errors, ${result.non2xx} answers that are no success`);
        }
        const perSecond = result.requests.total / result.duration;
        say(
          `${Math.round(perSecond)} ${what}/s, p50 ${result.latency.p50} ms, p99 ${result.latency.p99} ms; ` +
            `of a core: ${busy.map(({ name, seconds: share }) => `${name} ${Math.round(share * 100)} %`).join(", ")}`,
        );
        perThousand.push(1000 / perSecond);
        p99.push(result.latency.p99 / 1000);
        parts = busy;
      }
      measurements.push(
        {
          what: `1,000 ${what}, ${clients} clients`,
          seconds: perThousand,
          targetSeconds: 1000 / target,
          parts,
        },
        {
          what: `${what}, ${clients} clients: p99`,
          seconds: p99,
          targetSeconds: targets.p99Seconds,
          parts: [],
        },
      );
    }
    return measurements;
  },
};

function resource(name: string): object {
  return { name, account: "bench", secret: "a secret of the usual length" };
}

/** What limits it: the seconds of processor time that each part takes in one second, measured in the middle of a run. */
async function busyParts(world: ServerWorld, primary: ServerProcess): Promise<readonly Part[]> {
  await sleep(2000);
  const before = await processorSeconds(world, primary);
  await sleep(4000);
  const after = await processorSeconds(world, primary);
  return after.map(({ name, seconds: total }, index) => ({
    name,
    seconds: (total - (before[index]?.seconds ?? 0)) / 4,
  }));
}

async function processorSeconds(world: ServerWorld, primary: ServerProcess): Promise<readonly Part[]> {
  const { user, system } = process.cpuUsage();
  return [
    { name: "the server", seconds: await ofProcesses([primary.pid]) },
    { name: "the database", seconds: await ofProcesses(await pidsOf(world, "shared")) },
    { name: "its standby", seconds: await ofProcesses(await pidsOf(world, "read-only")) },
    { name: "the clients", seconds: (user + system) / 1e6 },
  ];
}

async function pidsOf(world: ServerWorld, node: string): Promise<readonly number[]> {
  const { stdout } = await execa("docker", ["top", world.postgres.container(node), "-eo", "pid"]);
  return stdout.split("\n").slice(1).map(Number);
}

/** Of processes of this machine, also of containers: Linux counts in hundredths of a second. */
async function ofProcesses(pids: readonly number[]): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    // A backend that has ended meanwhile counts for nothing.
    const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks / 100;
}
