import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { errorCode } from "../../core/connectionFailure.ts";
import { clientOptions } from "../../server/databases/connection.ts";
import { migrationNames } from "../../server/migrations/list.ts";
import { libraryPool } from "../../server/schedule/libraryPool.ts";
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
    const { version } = (await server("primary").send("GET", "/api/version")).body;
    const { program } = world.options;
    const text = await readFile(program, "utf8");
    await writeFile(program, text.replaceAll(JSON.stringify(version), '"0.0.9"'));
    server("secondary").start();
    await until("back", async () => (await server("secondary").status("/secondary")) === 200);
    await writeFile(program, text);
    expect(server("secondary").output).toMatch(
      /"version":"0\.0\.9".*another server has another version or key/,
    );
    await until("shown", async () => {
      const { findings } = (await server("primary").send("GET", "/api/high-availability")).body;
      const [found] = (findings as { problem: string }[]).filter(({ problem }) => /version/.test(problem));
      return (
        found?.problem === `differ in version: primary ${version}, secondary 0.0.9, read-only ${version}`
      );
    });
    const body = { name: "upgrade", account: "a", secret: "s" };
    expect((await server("secondary").send("POST", "/api/resources", body)).status).toBe(201);
    const { pack } = (await server("secondary").send("GET", "/healthz")).body;
    expect(pack).toMatchObject({ schema: "9999-of-the-next-version" });
  });

  test("each task runs on the one server that has the lease, whoever is asked, and leaves an event", async () => {
    await until("somebody runs it", async () => (await runsOn(server("primary"))) !== "");
    const owner = await runsOn(server("primary"));
    expect(["primary", "secondary"]).toContain(owner);
    // Nobody makes any here: test/integration/backups.test.ts has where somebody does.
    expect((await server("primary").send("POST", "/api/tasks/backup/run")).status).toBe(409);
    for (const task of taskNames.filter((name) => name !== "backup")) {
      const asked = server(owner === "primary" ? "secondary" : "primary");
      expect((await asked.send("POST", `/api/tasks/${task}/run`)).status).toBe(202);
      await until(`${task} has run`, async () => (await runs(asked, task)).length > 0);
      for (const run of await runs(asked, task))
        expect(run).toMatchObject({ server: owner, outcome: "success" });
    }
    expect((await server("primary").send("POST", "/api/tasks/nothing/run")).status).toBe(400);
  });

  test("a job whose end cannot be written down is done again, and the work goes on", async () => {
    const asked = server("primary");
    const table = "graphile_worker._private_jobs";
    await world.postgres.sql(
      "shared",
      `create function public.refuse() returns trigger language plpgsql as 'begin raise exception ''refused''; end';
       create trigger refuse before delete on ${table} for each row execute function public.refuse()`,
      "vault",
    );
    const before = (await runs(asked, "clean-up")).length;
    await asked.send("POST", "/api/tasks/clean-up/run");
    await until("done again", async () => (await runs(asked, "clean-up")).length > before + 1);
    await world.postgres.sql("shared", `drop trigger refuse on ${table}`, "vault");
    const reminders = (await runs(asked, "rotation-reminder")).length;
    await asked.send("POST", "/api/tasks/rotation-reminder/run");
    await until("other work", async () => (await runs(asked, "rotation-reminder")).length > reminders);
  });

  test("a connection that is lost while the timetable is read ends no server", async () => {
    const owner = await runsOn(server("primary"));
    const other = owner === "primary" ? "secondary" : "primary";
    const { pid } = server(other);
    const onTable = "wait_event_type = 'Lock' and query like '%known_crontabs%'";
    const locked = world.postgres.sql(
      "shared",
      `begin; lock table graphile_worker._private_known_crontabs;
       do $$ begin
         for i in 1..300 loop
           exit when (select count(pg_terminate_backend(pid)) from pg_stat_activity where ${onTable}) > 0;
           perform pg_sleep(0.1), pg_stat_clear_snapshot();
         end loop;
       end $$; commit`,
      "vault",
    );
    expect(await server(owner).stop()).toBe(0);
    await locked;
    await until("taken over", async () => (await runsOn(server(other))) === other);
    const samples = (await runs(server(other), "health-sample")).length;
    await server(other).send("POST", "/api/tasks/health-sample/run");
    await until("it runs", async () => (await runs(server(other), "health-sample")).length > samples);
    expect(server(other).pid).toBe(pid);
    expect(world.output).not.toContain("the server ends");
    server(owner).start();
    await until("back", async () => (await server(owner).status(`/${owner}`)) === 200);
  });

  test("the job library's connections wait for the database until the work ends, and come back once", async () => {
    const { databases, authority, passwords } = world.options;
    const [target] = databases;
    if (target === undefined) throw new Error("no database");
    const settings = {
      ...{ target, database: "vault", user: "application", passwords: [passwords.application] },
      ...{
        ca: authority.ca,
        connectTimeoutSeconds: 1,
        statementTimeoutSeconds: 5,
        applicationName: "library",
      },
    };
    const ending = new AbortController();
    const failures: unknown[] = [];
    const pool = libraryPool(clientOptions(settings, new Set()), ending.signal, (error) =>
      failures.push(error),
    );
    pool.on("error", (error) => failures.push(error));
    pool.on("connect", (client) => client.on("error", (error) => failures.push(error)));
    const sleeping = pool.query("select pg_sleep(0.5), 'awake' as state");
    const cut = `select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where application_name = 'library' and wait_event = 'PgSleep'`;
    await until("cut", async () => (await world.postgres.sql("shared", cut))[0] === "1", 5, 10);
    expect((await sleeping).rows).toMatchObject([{ state: "awake" }]);
    expect(failures).toContainEqual(expect.objectContaining({ code: "57P01" }));

    const hopeless = pool.query("select 1 from no_such_table");
    await until("tried", async () => failures.some((error) => errorCode(error) === "42P01"), 5, 10);
    await new Promise<void>((resolve, reject) => {
      pool.connect((error, _client, release) => {
        if (error) return reject(error);
        release();
        release();
        resolve();
      });
    });
    ending.abort();
    expect((await hopeless).rows).toEqual([]);
    await pool.end();
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
});
