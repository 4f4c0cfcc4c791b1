import { beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";

const servers = ["primary-server", "secondary-server", "read-only-server"];

/**
 * A standby that was cut off may not have heard of a promotion elsewhere. PostgreSQL then gives the same timeline number
 * a second time, and tells two histories apart by their number only.
 */
describe("a promotion that the other database never heard of", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
  });

  const timeline = async (node: string) =>
    Number(
      await nodes.sql(
        node,
        "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int",
      ),
    );

  it("gets a number of its own where a server remembers the other one, and the old data is set back", async () => {
    const before = await timeline("shared-database");
    const unheard = await bumpTimeline();
    expect(unheard).toBe(before + 1);
    await eventually("a server has seen it", async () => {
      const { body } = await nodes.request("primary-server", "/witness");
      return (JSON.parse(body) as { highestTimeline: number }).highestTimeline === unheard;
    });
    await nodes.docker("kill", nodes.container("shared-database"));
    await reconnect();
    const promoted = await deployment.script("scripts/transition.ts", [
      "promote",
      "--id",
      "unheard-1",
      "--allow-data-loss",
    ]);
    expect(promoted.exitCode, promoted.all).toBe(0);
    expect(await timeline("read-only-database")).toBe(unheard + 1);
    await expectSameData();
  });

  it("gets a number of its own where nobody remembers, but the disk of the old primary can be read", async () => {
    await restored("back");
    await stopServers();
    const unheard = await bumpTimeline();
    await nodes.docker("kill", nodes.container("shared-database"));
    await reconnect();
    const promoted = await deployment.script("scripts/transition.ts", [
      ...["promote", "--id", "unheard-3", "--allow-data-loss"],
    ]);
    expect(promoted.exitCode, promoted.all).toBe(0);
    expect(await timeline("read-only-database")).toBe(unheard + 1);
    await expectSameData();
    await startServers();
  });

  it.each([
    { what: "somewhere else", id: "unheard-2", hasAll: false },
    { what: "at the same position", id: "unheard-4", hasAll: true },
  ])("is not taken for the same one where nobody remembers, and it began $what: the old data is copied again", async ({
    id,
    hasAll,
  }) => {
    await restored(`before ${id}`);
    await stopServers();
    const unheard = await bumpTimeline(hasAll);
    await nodes.docker("kill", nodes.container("shared-database"));
    await reconnect();
    const promoted = await deployment.script("scripts/transition.ts", [
      ...["promote", "--id", id, "--allow-data-loss", "--no-read-unsent-wal"],
    ]);
    expect(promoted.exitCode, promoted.all).toBe(0);
    expect(await timeline("read-only-database")).toBe(unheard);
    const rejoin = await nodes.exec("shared-database", "cat", "/var/lib/pg-continuity/rejoin.json");
    expect(JSON.parse(rejoin.stdout)).toMatchObject({ method: "base-backup", transitionId: id });
    expect(JSON.parse(rejoin.stdout).keptAt).toMatch(/data\.diverged-/);
    await expectSameData();
    await startServers();
  });

  it("all is well after a restore", async () => {
    await restored("the end");
    await nodes.sql("shared-database", "DROP TABLE IF EXISTS own_way");
    await healthy(deployment);
  });

  const eachServer = (act: "start" | "stop") =>
    Promise.all(servers.map((server) => nodes.docker(act, nodes.container(server))));
  const stopServers = () => eachServer("stop");
  const startServers = () => eachServer("start");

  async function restored(id: string): Promise<void> {
    const { exitCode, all } = await deployment.script("scripts/transition.ts", ["restore", "--id", id]);
    expect(exitCode, all).toBe(0);
    await healthy(deployment);
  }

  /**
   * The shared database is promoted to a timeline that the cut-off read-only database never hears of.
   *
   * @param hasAll whether the read-only one has all that was written before
   */
  async function bumpTimeline(hasAll = false): Promise<number> {
    await nodes.exec("shared-database", "bash", "-c", "touch /var/lib/postgresql/data/standby.signal");
    // Stopped in order it sends all that it has.
    if (hasAll) await nodes.docker("stop", nodes.container("shared-database"));
    await nodes.docker("network", "disconnect", nodes.network, nodes.container("read-only-database"));
    // A restart of the container with its intent unchanged: it was told to be the primary, finds itself a standby,
    // and promotes itself. The guard has nobody but servers to ask, or a person's word.
    await nodes.docker("restart", nodes.container("shared-database"));
    await eventually(
      "shared is writable again",
      async () => {
        const answer = await nodes.exec(
          "shared-database",
          "psql",
          "-XAtq",
          "-d",
          "postgres",
          "-c",
          "SELECT NOT pg_is_in_recovery()",
        );
        if (answer.stdout.trim() === "t") return true;
        await nodes.exec("shared-database", "override-guard");
        return false;
      },
      60,
    );
    await nodes.sql("shared-database", "CREATE TABLE IF NOT EXISTS own_way (row text)");
    await nodes.sql("shared-database", "INSERT INTO own_way VALUES ('only here')");
    return timeline("shared-database");
  }

  async function reconnect(): Promise<void> {
    const container = nodes.container("read-only-database");
    await nodes.docker("network", "connect", "--alias", "read-only-database", nodes.network, container);
  }

  /** Nothing of what only the old primary had is left in it, and what is written now arrives there. */
  async function expectSameData(): Promise<void> {
    expect(await nodes.sql("shared-database", "SELECT to_regclass('own_way') IS NULL")).toBe("t");
    const table = `after_${Date.now()}`;
    await nodes.sql("read-only-database", `CREATE TABLE ${table} AS SELECT 1`);
    await eventually(
      "a write arrives",
      async () => (await nodes.sql("shared-database", `SELECT to_regclass('${table}') IS NOT NULL`)) === "t",
    );
  }
});
