import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";

const servers = ["primary-server", "secondary-server", "read-only-server"];

describe("the shared database crashed while nobody can say whether another was promoted", () => {
  let deployment: Deployment;
  let nodes: Nodes;
  let id = "";

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    id = await nodes.store("guard test", "still there");
  });

  const accepts = async () => (await nodes.exec("shared-database", "pg_isready", "--quiet")).exitCode === 0;

  /** Stops everybody who could be asked, crashes the database, and sees that it stays closed. */
  async function crashAlone(): Promise<void> {
    const witnesses = [...servers, "read-only-database"];
    await Promise.all(witnesses.map((node) => nodes.docker("stop", nodes.container(node))));
    await nodes.crash("shared-database");
    const status = await eventually(
      "the status says that it waits closed",
      async () => {
        const seen = await deployment.status();
        if (seen.databases[0]?.role !== "closed")
          throw new Error(`it says ${JSON.stringify(seen.databases)}`);
        return seen;
      },
      60,
    );
    expect(status).toMatchObject({ verdict: "down", exitCode: 3 });
    expect(status.databases[0]?.detail).toMatch(/nobody can say whether another database was promoted/);
    expect(status.databases[0]?.detail).toContain(
      `docker exec ${nodes.container("shared-database")} override-guard`,
    );
    await sleep(3000);
    expect(await accepts()).toBe(false);
  }

  async function startAll(): Promise<void> {
    for (const node of [...servers, "read-only-database"]) await nodes.docker("start", nodes.container(node));
    await healthy(deployment);
    expect(await nodes.reveal("gateway", id)).toBe("still there");
    expect(await nodes.reveal("read-only-server", id)).toBe("still there");
  }

  it("waits closed, and opens when a server is back that has seen no promotion", async () => {
    await crashAlone();
    await nodes.docker("start", nodes.container("secondary-server"));
    await eventually("it opens", accepts, 15);
    expect(await nodes.log("shared-database")).toMatch(/may open: witness .* has seen no timeline above \d+/);
    await startAll();
  });

  it("waits closed, and opens when its replica is back", async () => {
    await crashAlone();
    await nodes.docker("start", nodes.container("read-only-database"));
    await eventually("it opens", accepts, 15);
    expect(await nodes.log("shared-database")).toMatch(
      /may open: database read-only follows on timeline \d+/,
    );
    await startAll();
  });

  it("waits closed, and opens on a person's word", async () => {
    await crashAlone();
    // Somebody who does not wait says it more than once: it counts once.
    const words = await Promise.all([1, 2, 3].map(() => nodes.exec("shared-database", "override-guard")));
    expect(words).toContainEqual(expect.objectContaining({ exitCode: 0 }));
    await eventually("it opens", accepts, 15);
    expect(await nodes.log("shared-database")).toContain("opened by a person's override");
    await startAll();
  });

  it("a person's word is refused while there is nothing to open, and is not kept for later", async () => {
    expect(await nodes.exec("shared-database", "override-guard")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("is running already"),
    });
    // What a word leaves that came just after the database had opened.
    await nodes.exec("shared-database", "touch", "/var/lib/pg-continuity/override");
    await crashAlone();
    await startAll();
  });
});
