import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment.ts";
import { underLoad } from "../support/load.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { cutOff, inVolumes, reconnect } from "../support/transitionFaults.ts";

describe("a crash under write load", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
  });

  /** Ends a node's main process and waits until the engine has started it again. */
  async function crashAndReturn(node: string): Promise<void> {
    const before = await nodes.inspect(node, "{{.State.StartedAt}}");
    await nodes.crash(node);
    await eventually(
      `${node} was started again`,
      async () => (await nodes.inspect(node, "{{.State.Running}} {{.State.StartedAt}}")) !== `true ${before}`,
    );
  }

  // Whether clients notice: a write through the gateway fails (and is sent again) only where nothing stands behind it.
  it.each([
    ["shared-database", "writes wait"],
    ["read-only-database", "nobody notices"],
    ["primary-server", "the secondary takes over"],
    ["secondary-server", "nobody notices"],
    ["read-only-server", "nobody notices"],
    ["gateway", "clients connect again"],
  ])("of the %s: it comes back by itself, every acknowledged write is there, %s", async (node, impact) => {
    const report = await underLoad(deployment, async (load) => {
      await load.more(50);
      await crashAndReturn(node);
      await load.more(200);
      await healthy(deployment);
    });
    console.log(
      `${node} crashed: longest write gap ${report.writeGapSeconds.toFixed(2)} s, ${report.failed.length} requests failed of ${report.acknowledged}`,
    );
    expect(report.writeGapSeconds).toBeLessThan(10);
    if (impact === "nobody notices") expect(report.failed).toEqual([]);
  });

  it("of all at once, by docker restart: everything comes back, every acknowledged write is there", async () => {
    await underLoad(deployment, async (load) => {
      await load.more(50);
      await Promise.all(nodes.names.map((node) => nodes.docker("restart", nodes.container(node))));
      await load.more(200);
      await healthy(deployment, 60);
    });
  });

  it("of every main process at the same moment: everything comes back, every acknowledged write is there", async () => {
    await underLoad(deployment, async (load) => {
      await load.more(50);
      await Promise.all(nodes.names.map((node) => nodes.crash(node)));
      await load.more(200);
      await healthy(deployment, 60);
    });
  });

  it("of a database whose process number another process has afterwards: it opens at its first start", async () => {
    const [node, container] = ["shared-database", nodes.container("shared-database")];
    await nodes.docker("kill", container);
    await inVolumes(nodes, node, "sed -i 1s/.*/600/ /var/lib/postgresql/data/postmaster.pid");
    // Without the others it waits closed, long enough for that number to be given.
    await cutOff(nodes, node);
    await nodes.docker("start", container);
    const pid = await nodes.inspect(node, "{{.State.Pid}}");
    // Of the same user: PostgreSQL takes no other one's process for its own.
    const takeNumber =
      "echo 599 > /proc/sys/kernel/ns_last_pid; setpriv --reuid 999 --clear-groups sleep 120 > /dev/null 2>&1 < /dev/null &";
    await eventually("another process has the number", async () => {
      await execa("nsenter", ["--target", pid, "--pid", "sh", "-c", takeNumber]);
      return (await nodes.exec(node, "cat", "/proc/600/comm")).stdout === "sleep";
    });
    await reconnect(nodes, node);
    await healthy(deployment);
    expect(await nodes.inspect(node, "{{.RestartCount}}")).toBe("0");
    expect((await nodes.exec(node, "cat", "/proc/600/comm")).stdout).toBe("sleep");
  });

  it("is no crash where a server stands still for a while: nothing is cut, the next one takes over meanwhile", async () => {
    const container = nodes.container("primary-server");
    const report = await underLoad(deployment, async (load) => {
      await load.more(50);
      // Longer than a few answers to the gateway may take, then much longer.
      for (const seconds of [0.8, 6]) {
        await nodes.docker("pause", container);
        const since = performance.now();
        // Some over connections that the gateway has kept, which wait; some over new ones, which go to the next server.
        const reads = Promise.all(
          Array.from({ length: 5 }, () => nodes.request("gateway", "/api/whoami", { timeoutSeconds: 15 })),
        );
        try {
          if (seconds > 3)
            await eventually(
              "the secondary serves",
              async () =>
                (await nodes.request("gateway", "/api/whoami", { timeoutSeconds: 1 })).headers[
                  "x-served-by"
                ] === "secondary",
              seconds,
            );
          await sleep(seconds * 1000 - (performance.now() - since));
        } finally {
          await nodes.docker("unpause", container);
        }
        expect((await reads).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
        await load.more(50);
      }
    });
    expect(report.failed).toEqual([]);
    await healthy(deployment);
  });

  it("of a server that stays away: the gateway has it out within 1 s", async () => {
    const id = await nodes.store("gateway test", "a secret");
    const container = nodes.container("primary-server");
    await nodes.docker("update", "--restart=no", container);
    const reads: { readonly ended: number; readonly seconds: number; readonly status: string }[] = [];
    let isDone = false;
    const reader = async () => {
      while (!isDone) {
        const started = performance.now();
        const status = await nodes.request("gateway", `/api/resources/${id}`, { timeoutSeconds: 5 }).then(
          (answer) => `${answer.status} ${answer.headers["x-served-by"]}`,
          (error: Error) => error.message,
        );
        const ended = performance.now();
        reads.push({ ended, seconds: (ended - started) / 1000, status });
        await sleep(20);
      }
    };
    const readers = [reader(), reader(), reader()];
    await eventually("reads by the primary", async () =>
      reads.some(({ status }) => status === "200 primary"),
    );
    const killed = performance.now();
    await nodes.crash("primary-server");
    await sleep(3000);
    isDone = true;
    await Promise.all(readers);
    await nodes.docker("update", "--restart=unless-stopped", container);
    await nodes.docker("start", container);

    const failed = reads.filter(({ status }) => !status.startsWith("200 "));
    const lastFailure = Math.max(0, ...failed.map(({ ended }) => (ended - killed) / 1000));
    const slowest = Math.max(...reads.map(({ seconds }) => seconds));
    console.log(
      `primary server killed: ${failed.length} of ${reads.length} reads failed, the last ${lastFailure.toFixed(2)} s after; slowest read ${slowest.toFixed(2)} s`,
    );
    expect(lastFailure).toBeLessThan(1);
    const later = reads.filter(({ ended, seconds }) => ended - seconds * 1000 > killed + 1000);
    expect(later.length).toBeGreaterThan(20);
    expect([...new Set(later.map(({ status }) => status))]).toEqual(["200 secondary"]);
    expect(Math.max(...later.map(({ seconds }) => seconds))).toBeLessThan(1);
    await healthy(deployment);
    await eventually(
      "the primary serves again",
      async () =>
        (await nodes.request("gateway", `/api/resources/${id}`)).headers["x-served-by"] === "primary",
    );
  });
});
