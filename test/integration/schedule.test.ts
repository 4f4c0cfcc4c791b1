import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { migrationNames } from "../../server/migrations/list.ts";
import { taskNames } from "../../server/schedule/tasks.ts";
import { until } from "../support/serverPostgres.ts";
import type { ServerProcess } from "../support/serverProcess.ts";
import { ServerWorld } from "../support/serverWorld.ts";

describe.sequential("scheduled work", { timeout: 60_000 }, () => {
  let world: ServerWorld;
  let servers: Record<string, ServerProcess>;

  beforeAll(async () => {
    world = await ServerWorld.create("schedule");
    // Both at once: the migrations run once all the same.
    const [primary, secondary] = await Promise.all([world.start("primary"), world.start("secondary")]);
    servers = { primary, secondary, "read-only": await world.start("read-only") };
  }, 180_000);
  afterAll(async () => world[Symbol.asyncDispose](), 60_000);
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => console.log(world.output.slice(-6000)));
  });

  const server = (name: string): ServerProcess => {
    const found = servers[name];
    if (found === undefined) throw new Error(`no server ${name}`);
    return found;
  };
  const runsOn = async (asked: ServerProcess): Promise<string> => {
    const { runsOn: lease } = (await asked.send("GET", "/api/tasks")).body;
    return (lease as { server: string } | null)?.server ?? "";
  };
  async function runs(asked: ServerProcess, task: string) {
    const { items } = (await asked.send("GET", `/api/audit?operation=task.${task}`)).body;
    return items as { server: string; outcome: string; details: object }[];
  }

  test("servers know of each other what has to be the same everywhere", async () => {
    const {
      version,
      keyFingerprint,
      servers: all,
    } = (await server("read-only").send("GET", "/api/version")).body;
    const expected = ["primary", "read-only", "secondary"].map((name) => ({
      ...{ server: name, version, keyFingerprint, startedAt: expect.any(String) },
    }));
    await until("forwarded", async () => {
      const found = (await server("primary").send("GET", "/api/version")).body.servers as unknown[];
      return found.length === expected.length;
    });
    expect((await server("primary").send("GET", "/api/version")).body.servers).toEqual(expected);
    expect(Array.isArray(all)).toBe(true);
    expect(world.output).not.toContain("another server has another version or key");
    for (const each of Object.values(servers)) {
      const { pack } = (await each.send("GET", "/healthz")).body;
      expect(pack).toEqual({ version, keyFingerprint, schema: migrationNames.at(-1) });
    }
  });

  test("in an upgrade, a server of the version before goes on with the tables of the next one", async () => {
    await world.postgres.sql(
      "shared",
      "insert into vault.schema_migrations (name, timestamp) values ('9999-of-the-next-version', now()::text)",
      "vault",
    );
    expect(await server("secondary").stop()).toBe(0);
    server("secondary").start();
    await until("back", async () => (await server("secondary").status("/secondary")) === 200);
    const body = { name: "upgrade", account: "a", secret: "s" };
    expect((await server("secondary").send("POST", "/api/resources", body)).status).toBe(201);
    const { pack } = (await server("secondary").send("GET", "/healthz")).body;
    expect(pack).toMatchObject({ schema: "9999-of-the-next-version" });
  });

  test("each task runs on the one server that has the lease, whoever is asked, and leaves an event", async () => {
    await until("somebody runs it", async () => (await runsOn(server("primary"))) !== "");
    const owner = await runsOn(server("primary"));
    expect(["primary", "secondary"]).toContain(owner);
    for (const task of taskNames) {
      const asked = server(owner === "primary" ? "secondary" : "primary");
      expect((await asked.send("POST", `/api/tasks/${task}/run`)).status).toBe(202);
      await until(`${task} has run`, async () => (await runs(asked, task)).length > 0);
      for (const run of await runs(asked, task))
        expect(run).toMatchObject({ server: owner, outcome: "success" });
    }
    expect((await server("primary").send("POST", "/api/tasks/nothing/run")).status).toBe(400);
  });

  test("a server that dies is followed by another within 10 s, and nothing runs on the read-only server", async () => {
    const owner = await runsOn(server("primary"));
    const other = owner === "primary" ? "secondary" : "primary";
    server(owner).signal("SIGKILL");
    await server(owner).ended();
    const diedAt = Date.now();
    await until("moved", async () => (await runsOn(server(other))) === other, 10);
    console.log(`scheduled work moved after ${Date.now() - diedAt} ms`);
    await server(other).send("POST", "/api/tasks/clean-up/run");
    await until("it runs", async () => (await runs(server(other), "clean-up"))[0]?.server === other);

    server(other).signal("SIGTERM");
    expect(await server(other).ended()).toBe(0);
    expect(await runsOn(server("read-only"))).toBe("");
  });

  test("a connection lost while the work is registered ends no server; it is begun again", async () => {
    const registering = `from pg_stat_activity where query like '%_private_known_crontabs%' and wait_event_type = 'Lock'`;
    // Registering waits for this lock, so its connection can be ended just then.
    const locked = world.postgres.sql(
      "shared",
      "begin; lock table graphile_worker._private_known_crontabs; select pg_sleep(8); commit",
      "vault",
    );
    server("secondary").start();
    await until("the work is being registered", async () => {
      return (await world.postgres.sql("shared", `select pid ${registering}`)).length > 0;
    });
    await world.postgres.sql("shared", `select pg_terminate_backend(pid) ${registering}`);
    const ended = server("secondary")
      .ended()
      .then((code) => `ended with ${code}`);
    await locked;
    expect(await Promise.race([ended, sleep(1000, "runs")])).toBe("runs");
    const before = (await runs(server("secondary"), "clean-up")).length;
    await until("begun again", async () => {
      await server("secondary").send("POST", "/api/tasks/clean-up/run");
      return (await runs(server("secondary"), "clean-up")).length > before;
    });
  });
});
