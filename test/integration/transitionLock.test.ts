import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { DatabaseNode, Topology } from "../../core/topology.ts";
import type { Goal } from "../../core/transition/step.ts";
import { Silence } from "../../scripts/observe/silence.ts";
import { TransitionLock } from "../../scripts/transition/lock.ts";
import { Deployment } from "../support/deployment.ts";
import { Nodes } from "../support/nodes.ts";

const goal: Goal = {
  transition: "promote",
  transitionId: "LOCK-1",
  allowDataLoss: false,
  primaryIsDown: false,
  keepDiverged: true,
  readUnsentWal: true,
};

/** Longer than between two words of a connection that is being made. */
const pauseMs = 400;

const ways: Server[] = [];
afterEach(() => {
  for (const way of ways.splice(0)) way.close();
});

/**
 * Another way to a database.
 *
 * @param delayMs how long a connection waits until it is let in
 * @param beforeWords done before the first words that come after a pause: the connection stands by then
 */
async function wayTo(
  node: DatabaseNode,
  { delayMs = 0, beforeWords }: { delayMs?: number; beforeWords?: () => Promise<unknown> },
): Promise<DatabaseNode> {
  let due = beforeWords;
  const server = createServer(async (near) => {
    await sleep(delayMs);
    const far = connect(node.published.port, node.published.address);
    for (const socket of [near, far]) socket.on("error", () => undefined);
    far.pipe(near);
    let heardAt = Date.now();
    for await (const words of near) {
      const isPaused = Date.now() - heardAt > pauseMs;
      heardAt = Date.now();
      const act = isPaused ? due : undefined;
      if (act) due = undefined;
      await act?.();
      far.write(words);
    }
    far.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  ways.push(server);
  return { ...node, published: { ...node.published, port: (server.address() as AddressInfo).port } };
}

describe("the lock of transitions", () => {
  it("counts a database that ends while its lock is taken as one that does not answer", async () => {
    const deployment = await Deployment.shared();
    const nodes = await Nodes.of(deployment);
    const { topology, access, operatorPassword } = await deployment.deployed();
    const ended = () =>
      nodes.sql(
        "shared-database",
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'operator'",
      );
    const [shared, readOnly] = ["shared", "read-only"].map((name) =>
      topology.databases.find((database) => database.name === name),
    );
    if (!shared || !readOnly) throw new Error("the shared deployment has both databases");
    const through: Topology = {
      ...topology,
      databases: [
        await wayTo(shared, { beforeWords: ended }),
        // The other connection stands and waits meanwhile.
        await wayTo(readOnly, { delayMs: 3 * pauseMs }),
      ],
    };
    const operator = { ca: access.caCertificate, user: "operator", password: operatorPassword };
    const lock = await TransitionLock.take(through, operator, goal, new Silence(), () => undefined);
    try {
      expect(lock.connectionTo("shared")).toBeUndefined();
      expect(lock.connectionTo("read-only")).toBeDefined();
      // It answers again: it is taken before the next step.
      await lock.renew();
      expect(lock.connectionTo("shared")).toBeDefined();
    } finally {
      await lock.release();
    }
  });
});
