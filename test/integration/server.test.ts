import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ServerName } from "../../core/vocabulary.ts";
import { putWebPages } from "../../scripts/node/webPages.ts";
import { bundleServer } from "../../server/bundle.ts";
import { createAuthority } from "../support/serverPki.ts";
import { freePort, TestPostgres, until } from "../support/serverPostgres.ts";
import { ServerProcess, type ServerProcessOptions } from "../support/serverProcess.ts";

// One story, told in order: each test begins where the one before has ended.
describe.sequential("application servers on a primary and a streaming standby", { timeout: 60_000 }, () => {
  const runId = `pgc-server-${randomBytes(4).toString("hex")}`;
  const postgres = new TestPostgres(runId);
  const token = randomBytes(32).toString("base64url");
  const secret = `s3cret-${randomBytes(12).toString("hex")}`;
  const passwords = {
    application: randomBytes(12).toString("hex"),
    migration: randomBytes(12).toString("hex"),
  };
  let folder = "";
  let options: Omit<ServerProcessOptions, "id">;
  let primary: ServerProcess;
  let readOnly: ServerProcess;
  let created = { id: "" };
  const servers: ServerProcess[] = [];
  const newServer = (id: ServerName, changes: Partial<ServerProcessOptions> = {}): ServerProcess => {
    const server = new ServerProcess({ ...options, ...changes, id });
    servers.push(server);
    return server;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), `${runId}-`));
    const program = join(folder, "server.mjs");
    const authority = await createAuthority();
    const [bundle, sharedPort, readOnlyPort] = await Promise.all([
      bundleServer(),
      freePort(),
      freePort(),
      postgres.prepare(),
    ]);
    await Promise.all([writeFile(program, bundle), putWebPages(join(folder, "web"))]);
    await postgres.create("shared", sharedPort, await authority.issue("shared"));
    await postgres.create("read-only", readOnlyPort, await authority.issue("read-only"), "shared");
    options = {
      folder,
      program,
      authority,
      token,
      passwords,
      encryptionKey: randomBytes(32),
      databases: [
        { name: "shared", address: "127.0.0.1", port: sharedPort, certificateName: "shared" },
        { name: "read-only", address: "127.0.0.1", port: readOnlyPort, certificateName: "read-only" },
      ],
    };
    primary = newServer("primary");
    readOnly = newServer("read-only");
    await Promise.all([primary.configure(), readOnly.configure()]);
  }, 180_000);

  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await postgres.remove();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  // What the servers said is the first thing to look at.
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => {
      for (const server of [primary, readOnly]) console.log(server.output.slice(-6000));
    });
  });

  test("servers start without any database and say so", async () => {
    primary.start();
    readOnly.start();
    const noDatabase = async (server: ServerProcess): Promise<void> => {
      await until("listening", async () => (await server.status("/healthz")) === 200);
      expect(await server.status("/read-write")).toBe(503);
      expect(await server.status("/read")).toBe(503);
      const answer = await server.send("GET", "/api/resources");
      expect(answer.status).toBe(503);
      expect(answer.body.type).toBe("urn:pg-continuity:problem:not-prepared");
    };
    await Promise.all([noDatabase(primary), noDatabase(readOnly)]);
  });

  test("databases appear: the schema is made, duties are taken up", async () => {
    await postgres.docker("start", "shared");
    await postgres.ready("shared");
    await postgres.sql("shared", `create role application login password '${passwords.application}'`);
    await postgres.sql("shared", `create role migration login password '${passwords.migration}'`);
    await postgres.sql("shared", "create database vault");
    await postgres.sql("shared", "grant create on database vault to migration");
    for (const statement of [
      "create schema continuity",
      `create function continuity.received_timeline() returns int language sql security definer
         set search_path = pg_catalog return (select received_tli from pg_stat_wal_receiver)`,
      "revoke execute on function continuity.received_timeline() from public",
      "grant usage on schema continuity to application",
      "grant execute on function continuity.received_timeline() to application",
    ]) {
      await postgres.sql("shared", statement, "vault");
    }
    await until("primary writes", async () => (await primary.status("/read-write")) === 200);
    await postgres.docker("start", "read-only");
    await until("read-only reads from its own", async () => {
      const health = await readOnly.send("GET", "/read-only");
      return health.status === 200 && health.body.database === "read-only";
    });
    expect((await primary.send("GET", "/primary")).body).toMatchObject({
      server: "primary",
      role: "primary",
      state: "read-write",
      database: "shared",
      databaseRole: "primary",
      timeline: 1,
    });
    expect((await readOnly.send("GET", "/read-only")).body).toMatchObject({
      role: "read-only",
      state: "read-only",
      databaseRole: "standby",
      timeline: 1,
    });
    expect(await readOnly.status("/read-write")).toBe(503);
    expect(await readOnly.status("/acting-primary")).toBe(503);
    expect((await primary.send("HEAD", "/primary")).status).toBe(200);
  });

  test("a resource is deleted once, with its secret", async () => {
    const body = { name: "short-lived", account: "a", secret: "s" };
    const { id } = (await primary.send("POST", "/api/resources", body)).body;
    const deleted = await primary.send("DELETE", `/api/resources/${id}`);
    expect(deleted).toMatchObject({ status: 200, body: { id, name: "short-lived" } });
    for (const path of [`/api/resources/${id}`, `/api/resources/${id}/secret`])
      expect((await primary.send("GET", path)).status).toBe(404);
    expect((await primary.send("DELETE", `/api/resources/${id}`)).status).toBe(404);
    expect((await primary.send("DELETE", "/api/resources/no-uuid")).status).toBe(400);
  });

  test("a resource created by the primary server is read from the replica", async () => {
    const input = { name: "router", account: "admin", secret };
    const first = await primary.send("POST", "/api/resources", input, { "idempotency-key": "change-1" });
    expect(first.status).toBe(201);
    expect(first.headers).toMatchObject({
      "x-served-by": "primary",
      "x-database": "shared",
      "cache-control": "no-store",
    });
    created = { id: String(first.body.id) };
    expect(JSON.stringify(first.body)).not.toContain(secret);

    const again = await primary.send("POST", "/api/resources", input, { "idempotency-key": "change-1" });
    expect([again.status, again.body, again.headers["idempotency-replayed"]]).toEqual([
      201,
      first.body,
      "true",
    ]);
    const other = await primary.send(
      "POST",
      "/api/resources",
      { ...input, name: "x" },
      { "idempotency-key": "change-1" },
    );
    expect(other.status).toBe(422);

    await until("replicated", async () => (await readOnly.status(`/api/resources/${created.id}`)) === 200);
    const revealed = await readOnly.send("GET", `/api/resources/${created.id}/secret`);
    expect(revealed.body).toEqual({ id: created.id, secret });
    expect(revealed.headers).toMatchObject({ "x-served-by": "read-only", "x-database": "read-only" });
    const list = await readOnly.send("GET", "/api/resources?name=ROUT");
    expect(list.body.items).toMatchObject([{ id: created.id, name: "router" }]);
  });

  test("the read-only server refuses writes and says why", async () => {
    const answer = await readOnly.send("POST", "/api/resources", { name: "a", account: "b", secret });
    expect(answer.status).toBe(503);
    expect(answer.headers["content-type"]).toContain("application/problem+json");
    expect(answer.headers["retry-after"]).toBe("30");
    expect(answer.body.type).toBe("urn:pg-continuity:problem:read-only-continuity");
  });

  test("bad input gives 4xx", async () => {
    const good = { name: "a", account: "b", secret: "c" };
    const cases: [string, string, unknown, Record<string, string>, number][] = [
      ["GET", "/api/resources", undefined, { authorization: "Bearer wrong" }, 401],
      ["GET", "/api/whoami", undefined, { authorization: "" }, 401],
      ["POST", "/api/resources", "{", {}, 400],
      ["POST", "/api/resources", "", {}, 400],
      ["POST", "/api/resources", "null", {}, 400],
      ["POST", "/api/resources", "<x/>", { "content-type": "text/xml" }, 415],
      ["POST", "/api/resources", { ...good, extra: 1 }, {}, 400],
      ["POST", "/api/resources", { ...good, name: "a\u0000b" }, {}, 400],
      ["POST", "/api/resources", { ...good, name: "\ud800" }, {}, 400],
      ["POST", "/api/resources", { ...good, secret: "x".repeat(200_000) }, {}, 413],
      ["POST", "/api/resources", good, { "idempotency-key": "with space" }, 400],
      ["POST", "/api/resources", '{"__proto__": {"a": 1}}', {}, 400],
      ["GET", "/api/resources?limit=0", undefined, {}, 400],
      ["GET", "/api/resources?limit=x&limit=2", undefined, {}, 400],
      ["GET", "/api/resources?after=eyJ9", undefined, {}, 400],
      ["GET", "/api/resources?name=%00", undefined, {}, 400],
      ["GET", "/api/audit?from=2026-01-01T00:00:00%2B16:00", undefined, {}, 400],
      ["POST", "/api/session", { name: "a\u0000", password: "x" }, { authorization: "" }, 400],
      ["GET", "/api/resources/1", undefined, {}, 400],
      ["GET", "/api/resources/%zz", undefined, {}, 400],
      ["GET", "/api/resources/00000000-0000-4000-8000-000000000000", undefined, {}, 404],
      ["PATCH", `/api/resources/${created.id}`, undefined, {}, 400],
      ["PUT", `/api/resources/${created.id}`, undefined, {}, 404],
      ["GET", "/nothing", undefined, {}, 404],
    ];
    for (const [method, path, body, headers, status] of cases) {
      const answer = await primary.send(method, path, body, headers);
      expect([method, path, answer.status]).toEqual([method, path, status]);
      expect(answer.headers["content-type"]).toContain("application/problem+json");
      expect(answer.body).toMatchObject({ status });
      expect(answer.headers["x-served-by"]).toBe("primary");
    }
  });

  test("failed sign-ins are limited per address, a right token still passes", async () => {
    const wrong = { authorization: "Bearer wrong" };
    const statuses = await Promise.all(
      Array.from(
        { length: 25 },
        async () => (await readOnly.send("GET", "/api/whoami", undefined, wrong)).status,
      ),
    );
    expect(statuses.filter((status) => status === 401)).toHaveLength(20);
    expect(statuses.filter((status) => status === 429)).toHaveLength(5);
    expect(await readOnly.status("/api/whoami")).toBe(200);
  });

  test("pages meet without gap or overlap", async () => {
    for (const name of ["page-%", "page-_", "page-1", "page-2", "page-3"]) {
      await primary.send("POST", "/api/resources", { name, account: "x", secret: "y" });
    }
    const names: unknown[] = [];
    let after = "";
    do {
      const { body } = await primary.send("GET", `/api/resources?name=page-&limit=2${after}`);
      names.push(...(body.items as { name: string }[]).map(({ name }) => name));
      after = typeof body.next === "string" ? `&after=${body.next}` : "";
    } while (after !== "");
    expect(names).toEqual(["page-%", "page-1", "page-2", "page-3", "page-_"]);
    const literal = await primary.send("GET", `/api/resources?name=${encodeURIComponent("e-%")}`);
    expect(literal.body.items).toMatchObject([{ name: "page-%" }]);
  });

  test("a server with another key refuses to start", async () => {
    const stranger = newServer("secondary", { encryptionKey: randomBytes(32) });
    await stranger.configure();
    stranger.start();
    expect(await stranger.ended()).toBe(78);
    expect(stranger.output).toMatch(
      /encryption key: this server's key has the fingerprint [0-9a-f]{32}, the database/,
    );
  });

  test("a database whose certificate has another name is not used", async () => {
    const careful = newServer("secondary");
    const databases = options.databases.map((database) => ({
      ...database,
      certificateName: "somebody-else",
    }));
    await careful.configure({ databases });
    careful.start();
    await until("looked", async () => careful.output.includes("does not match certificate"));
    expect((await careful.send("GET", "/witness")).body).toMatchObject({
      writable: null,
      databases: [{ reachable: false }, { reachable: false }],
    });
    expect(await careful.stop()).toBe(0);
  });

  test("connections cut in the middle of commits: every write is there exactly once", async () => {
    const load = startLoad(primary, "cut", 6);
    for (let round = 0; round < 25; round += 1) {
      await postgres.sql(
        "shared",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'application'",
      );
      await sleep(20);
    }
    await expectExactlyOnce(await load.stop(), "shared", "cut");
  });

  test("a commit whose answer is lost is done once, and acknowledged only when the replica has it", async () => {
    await postgres.sql("shared", "alter system set synchronous_standby_names = '*'");
    await postgres.sql("shared", "select pg_reload_conf()");
    await postgres.docker("pause", "read-only");
    let answered = false;
    const write = primary
      .send("POST", "/api/resources", { name: "synchronous", account: "b", secret })
      .finally(() => {
        answered = true;
      });
    // The write's own commit, not what the audit and the schedule store meanwhile.
    const waiting =
      "from pg_stat_activity where usename = 'application' and wait_event = 'SyncRep' and query ilike 'commit%'";
    const isWaiting = async () => (await postgres.sql("shared", `select 1 ${waiting}`)).length === 1;
    await until("the commit waits", isWaiting);
    await postgres.sql("shared", `select pg_terminate_backend(pid) ${waiting}`);
    await until("tried again, waits again", isWaiting);
    expect(answered).toBe(false);
    await postgres.docker("unpause", "read-only");
    const answer = await write;
    expect([answer.status, answer.headers["idempotency-replayed"]]).toEqual([201, "true"]);
    const count = "select count(*) from vault.resources where name = 'synchronous'";
    expect(await postgres.sql("shared", count, "vault")).toEqual(["1"]);
    expect(await postgres.sql("read-only", count, "vault")).toEqual(["1"]);
    await postgres.sql("shared", "alter system reset synchronous_standby_names");
    await postgres.sql("shared", "select pg_reload_conf()");
  });

  test("a planned promotion under load: held, not failed; nothing lost, nothing doubled", async () => {
    const load = startLoad(primary, "promote", 6);
    await sleep(500);
    await postgres.sql("shared", "checkpoint");
    await postgres.docker("stop", "shared");
    await postgres.sql("read-only", "select pg_promote()");
    await until("writes go on", async () => (await primary.send("GET", "/primary")).body.timeline === 2);
    await sleep(700);
    const outcome = await load.stop();
    await expectExactlyOnce(outcome, "read-only", "promote");
    console.log(
      `promotion: ${outcome.acknowledged.length} writes, longest pause ${outcome.longestPauseMs} ms`,
    );

    expect((await readOnly.send("GET", "/acting-primary")).body).toMatchObject({
      role: "acting-primary",
      state: "read-write",
      database: "read-only",
      databaseRole: "primary",
      timeline: 2,
    });
    expect((await readOnly.send("POST", "/api/resources", { name: "a", account: "b", secret })).status).toBe(
      201,
    );
    expect((await primary.send("GET", "/witness")).body).toMatchObject({
      highestTimeline: 2,
      writable: { database: "read-only", timeline: 2 },
    });
  });

  test("the old primary comes back by itself and is not used, also when it is alone, also after a restart", async () => {
    await postgres.docker("start", "shared");
    await until("refused", async () => {
      const { refused } = (await primary.send("GET", "/witness")).body;
      return JSON.stringify(refused).includes("lower than 2");
    });
    expect((await primary.send("GET", "/read-write")).body.database).toBe("read-only");

    await postgres.docker("kill", "read-only");
    await primary.stop();
    primary.start();
    await until("alone with the old one", async () => {
      const { refused } = (await primary.send("GET", "/witness").catch(() => ({ body: { refused: null } })))
        .body;
      return JSON.stringify(refused).includes("lower than 2");
    });
    expect(await primary.status("/read-write")).toBe(503);
    expect(await primary.status("/read")).toBe(503);
    expect(
      await postgres.sql("shared", "select count(*) from vault.resources where name = 'never'", "vault"),
    ).toEqual(["0"]);
  });

  test("with no database left the servers live on, and come back with it", async () => {
    await postgres.docker("kill", "shared");
    const began = Date.now();
    const held = primary.send("POST", "/api/resources", { name: "held", account: "b", secret });
    const readable = readOnly.send("GET", `/api/resources/${created.id}`);
    await sleep(300);
    await postgres.docker("start", "read-only");
    expect((await readable).status).toBe(200);
    // The restarted primary server knows no database yet: it answers clearly instead of waiting.
    expect([201, 503]).toContain((await held).status);
    await until("writes again", async () => (await primary.status("/read-write")) === 200);
    console.log(`back after ${Date.now() - began} ms`);
    for (const server of [primary, readOnly]) expect(await server.status("/healthz")).toBe(200);
  });

  test("a silent database (paused) is given up within the time-out; held writes go through when it wakes", async () => {
    await postgres.docker("pause", "read-only");
    await until("noticed", async () => (await primary.send("GET", "/witness")).body.writable === null, 4);
    expect((await primary.send("GET", "/read-write")).body).toMatchObject({ state: "holding" });
    const held = primary.send("POST", "/api/resources", { name: "held-paused", account: "b", secret });
    await sleep(500);
    await postgres.docker("unpause", "read-only");
    expect((await held).status).toBe(201);

    await postgres.docker("pause", "read-only");
    const refused = await primary.send("POST", "/api/resources", { name: "too late", account: "b", secret });
    expect(refused.status).toBe(503);
    expect(refused.body.type).toBe("urn:pg-continuity:problem:no-writable-database");
    await until("no longer held", async () => (await primary.status("/read-write")) === 503, 7);
    await postgres.docker("unpause", "read-only");
    await until("writes again", async () => (await primary.status("/read-write")) === 200);
  });

  test("SIGHUP takes over new passwords and certificates without a failed request", async () => {
    const load = startLoad(primary, "reload", 4);
    const application = randomBytes(12).toString("hex");
    await primary.configure({ passwords: { ...passwords, application } });
    await postgres.sql("read-only", `alter role application password '${application}'`);
    primary.signal("SIGHUP");
    await until("read again", async () => primary.output.includes("configuration read again"));
    await sleep(500);
    await expectExactlyOnce(await load.stop(), "read-only", "reload");
    await readOnly.configure({ passwords: { ...passwords, application } });
    await writeFile(join(readOnly.folder, "server.json"), "{");
    readOnly.signal("SIGHUP");
    await until("refused", async () => readOnly.output.includes("the new configuration is not used"));
    expect(await readOnly.status("/healthz")).toBe(200);
    passwords.application = application;
  });

  test("SIGTERM finishes what is in flight and ends with 0; no secret was logged", async () => {
    await postgres.docker("pause", "read-only");
    const inFlight = primary.send("POST", "/api/resources", { name: "last", account: "b", secret });
    await sleep(300);
    const stopping = primary.stop();
    await sleep(300);
    expect(await primary.status("/healthz")).toBe(0); // nobody listens any more
    await postgres.docker("unpause", "read-only");
    const answer = await inFlight;
    const answeredAt = Date.now();
    expect(answer.status).toBe(201);
    expect(await stopping).toBe(0);
    expect(Date.now() - answeredAt).toBeLessThan(2000);
    expect(await readOnly.stop()).toBe(0);
    for (const server of [primary, readOnly]) {
      expect(server.output).toContain('"msg":"request"');
      for (const hidden of [token, secret, passwords.application, passwords.migration]) {
        expect(server.output).not.toContain(hidden);
      }
      expect(server.output).not.toContain(options.encryptionKey.toString("base64"));
    }
  });

  interface Outcome {
    readonly acknowledged: string[];
    readonly failed: string[];
    readonly longestPauseMs: number;
  }

  /** Clients that write unique names one after the other until they are stopped. */
  function startLoad(server: ServerProcess, prefix: string, clients: number): { stop(): Promise<Outcome> } {
    const acknowledged: string[] = [];
    const failed: string[] = [];
    let stopped = false;
    let last = Date.now();
    let longestPauseMs = 0;
    const work = Array.from({ length: clients }, async (_, client) => {
      for (let index = 0; !stopped; index += 1) {
        const name = `${prefix}-${client}-${index}`;
        const body = { name, account: "load", secret: "x" };
        const answer = await server
          .send("POST", "/api/resources", body)
          .catch((error: unknown) => ({ status: 0, body: String(error) }));
        if (answer.status === 201) acknowledged.push(name);
        else failed.push(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`);
        longestPauseMs = Math.max(longestPauseMs, Date.now() - last);
        last = Date.now();
      }
    });
    return {
      async stop() {
        stopped = true;
        await Promise.all(work);
        return { acknowledged, failed, longestPauseMs };
      },
    };
  }

  async function expectExactlyOnce(outcome: Outcome, database: string, prefix: string): Promise<void> {
    expect(outcome.failed.slice(0, 5)).toEqual([]);
    expect(outcome.acknowledged.length).toBeGreaterThan(20);
    const stored = await postgres.sql(
      database,
      `select name from vault.resources where name like '${prefix}-%'`,
      "vault",
    );
    expect(stored.sort()).toEqual([...outcome.acknowledged].sort());
  }
});
