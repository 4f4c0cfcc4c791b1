import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { pageQuery } from "../../server/audit/store.ts";
import { until } from "../support/serverPostgres.ts";
import type { ServerProcess } from "../support/serverProcess.ts";
import { ServerWorld } from "../support/serverWorld.ts";

interface Event {
  readonly server: string;
  readonly sequence: number;
  readonly kind: string;
  readonly operation: string;
  readonly outcome: string;
  readonly actor: string;
  readonly object: string | null;
  readonly hash: string | null;
}

// One story, told in order.
describe.sequential("the audit", { timeout: 60_000 }, () => {
  let world: ServerWorld;
  let primary: ServerProcess;
  let readOnly: ServerProcess;
  let id = "";

  beforeAll(async () => {
    world = await ServerWorld.create("audit");
    primary = await world.start("primary");
    readOnly = await world.start("read-only");
  }, 180_000);
  afterAll(async () => world[Symbol.asyncDispose](), 60_000);
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => console.log(world.output.slice(-6000)));
  });

  const list = async (server: ServerProcess, query = ""): Promise<Event[]> =>
    (await server.send("GET", `/api/audit?limit=1000${query}`)).body.items as Event[];
  const reveal = (server: ServerProcess) => server.send("GET", `/api/resources/${id}/secret`);
  /** The servers' chains once everything is chained; every problem that was found. */
  async function verification(server: ServerProcess) {
    type Found = { server: string; events: number; chained: number; problems: unknown[] };
    let found: Found[] = [];
    await until("all is chained", async () => {
      found = (await server.send("GET", "/api/audit/verification")).body.servers as Found[];
      return found.every(({ events, chained }) => events <= chained);
    });
    return found.map(({ server: name, problems }) => [name, problems]);
  }

  test("every change and every reveal leaves one event; so do refused ones", async () => {
    const body = { name: "router", account: "admin", secret: "s3cret" };
    const key = { "idempotency-key": "one" };
    const made = await primary.send("POST", "/api/resources", body, key);
    id = String(made.body.id);
    await primary.send("POST", "/api/resources", body, key);
    await primary.send("POST", "/api/resources", { ...body, name: "x" }, key);
    await reveal(primary);
    await primary.send("DELETE", "/api/resources/00000000-0000-4000-8000-000000000000");
    await primary.send("GET", "/api/whoami", undefined, { authorization: "Bearer wrong" });
    const events = await list(primary, "&server=primary");
    expect(events.map(({ operation, outcome, actor }) => [operation, outcome, actor])).toEqual([
      ["token.use", "denied", "(unknown)"],
      ["resource.delete", "refused", "administrator"],
      ["resource.reveal", "success", "administrator"],
      ["resource.create", "refused", "administrator"],
      ["resource.create", "repeated", "administrator"],
      ["resource.create", "success", "administrator"],
      ["server.start", "success", "server primary"],
    ]);
    expect(events.map(({ sequence }) => sequence)).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect(JSON.stringify(events)).not.toContain("s3cret");
    expect(await list(primary, `&operation=resource.reveal&object=${id}`)).toHaveLength(1);
    expect(await list(primary, "&kind=task&server=primary")).toHaveLength(1);
    expect(await list(primary, "&to=2020-01-01T00:00:00Z")).toEqual([]);
  });

  test("pages meet, and the exports hold the same events", async () => {
    // What the other server spools comes later than it happened; scheduled work adds events meanwhile.
    await until(
      "the other server's is there",
      async () => (await list(primary, "&server=read-only")).length > 0,
    );
    const to = `&to=${encodeURIComponent(new Date().toISOString())}`;
    const all = await list(primary, to);
    const seen: Event[] = [];
    let after = "";
    do {
      const { body } = await primary.send("GET", `/api/audit?limit=3${to}${after}`);
      seen.push(...(body.items as Event[]));
      after = typeof body.next === "string" ? `&after=${body.next}` : "";
    } while (after !== "");
    const names = (events: readonly Event[]) => events.map(({ server, sequence }) => `${server} ${sequence}`);
    expect(all.length).toBeGreaterThan(3);
    expect(names(seen)).toEqual(names(all));
    const lines = (await primary.text(`/api/audit/export?format=jsonl${to}`)).trim().split("\n");
    expect(names(lines.map((line) => JSON.parse(line) as Event))).toEqual(names(all));
    const csv = (await primary.text(`/api/audit/export?format=csv${to}`)).trim().split("\n");
    expect(csv[0]).toMatch(/^server,sequence,at,kind,operation,outcome,actor,/);
    expect(csv).toHaveLength(all.length + 1);
  });

  test("killed at any point, a server that writes leaves each change with its one event, and no doubt about a number", async () => {
    const made: string[] = [];
    let revealed = 0;
    for (let round = 0; round < 3; round += 1) {
      const work = Array.from({ length: 8 }, async (_, worker) => {
        for (let count = 0; ; count += 1) {
          try {
            const body = { name: `kill ${round} ${worker} ${count}`, account: "a", secret: "s" };
            const answer = await primary.send("POST", "/api/resources", body);
            if (answer.status === 201) made.push(String(answer.body.id));
            if ((await reveal(primary)).status === 200) revealed += 1;
          } catch {
            return; // killed
          }
        }
      });
      const target = made.length + 20;
      await until("enough is written", async () => made.length >= target, 30, 7);
      primary.signal("SIGKILL");
      await Promise.all([...work, primary.ended()]);
      primary.start();
      await until("back", async () => (await primary.status("/primary")) === 200);
    }
    expect(await verification(primary)).toContainEqual(["primary", []]);
    const found = await world.postgres.sql(
      "shared",
      `select r.id, count(e.id) from vault.resources r
         left join vault.audit_events e on e.object = r.id::text and e.operation = 'resource.create' and e.outcome = 'success'
         where r.name like 'kill %' group by r.id`,
      "vault",
    );
    const events = new Map(found.map((row) => row.split("|") as [string, string]));
    expect(new Set(events.values())).toEqual(new Set(["1"]));
    expect(made.filter((one) => !events.has(one))).toEqual([]);
    const [reveals] = await world.postgres.sql(
      "shared",
      "select count(*) from vault.audit_events where server = 'primary' and operation = 'resource.reveal'",
      "vault",
    );
    // One more was answered before. Some were recorded whose answer was not received.
    expect(Number(reveals)).toBeGreaterThanOrEqual(1 + revealed);
  });

  test("with no writable database the read-only server keeps events on its own disk", async () => {
    await until("replicated", async () => (await reveal(readOnly)).status === 200);
    await until("forwarded", async () => (await list(primary, "&server=read-only&kind=resource")).length > 0);
    await world.postgres.docker("kill", "shared");
    await until("alone", async () => (await readOnly.send("GET", "/witness")).body.writable === null);
    expect((await reveal(readOnly)).status).toBe(200);
    const refused = await readOnly.send("POST", "/api/resources", { name: "a", account: "b", secret: "c" });
    expect(refused.status).toBe(503);
    const spool = join(readOnly.folder, "state", "audit");
    const spooled = (
      await Promise.all((await readdir(spool)).map((file) => readFile(join(spool, file), "utf8")))
    )
      .join("")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Event);
    expect(spooled.map(({ operation, outcome }) => [operation, outcome])).toEqual([
      ["resource.reveal", "success"],
      ["resource.create", "refused"],
    ]);
    expect((await readOnly.send("GET", "/api/audit")).body.spooledBytes).toBeGreaterThan(100);
  });

  test("killed at any point, no event of an answered request is lost; after a promotion all is merged once", async () => {
    let answered = 0;
    for (let round = 0; round < 4; round += 1) {
      const work = Array.from({ length: 8 }, async () => {
        for (;;) {
          try {
            if ((await reveal(readOnly)).status === 200) answered += 1;
          } catch {
            return; // killed
          }
        }
      });
      const target = answered + 20;
      await until("enough is revealed", async () => answered >= target, 30, 7);
      readOnly.signal("SIGKILL");
      await Promise.all([...work, readOnly.ended()]);
      readOnly.start();
      await until("back", async () => (await readOnly.status("/read-only")) === 200);
    }
    const before = (await list(readOnly, "&server=read-only&operation=resource.reveal&outcome=success"))
      .length;
    await world.postgres.sql("read-only", "select pg_promote()");
    await until("merged", async () => (await readOnly.send("GET", "/api/audit")).body.spooledBytes === 0);
    const [count] = await world.postgres.sql(
      "read-only",
      "select count(*) from vault.audit_events where server = 'read-only' and operation = 'resource.reveal'",
      "vault",
    );
    // One more was answered before the servers were killed. Some were recorded whose answer was not received.
    expect(Number(count)).toBeGreaterThanOrEqual(before + 1 + answered);
    expect(Number(count)).toBeLessThanOrEqual(before + 1 + answered + 4 * 8);
    expect(await verification(readOnly)).toEqual([
      ["primary", []],
      ["read-only", []],
    ]);
  });

  test("the server's role can neither change nor remove an event; what the owner changes shows", async () => {
    const asApplication = (statement: string) =>
      world.postgres.sql("read-only", `set role application; ${statement}`, "vault");
    for (const statement of [
      "update vault.audit_events set actor = 'x'",
      "delete from vault.audit_events",
      "truncate vault.audit_events",
      "delete from vault.audit_chain",
      "insert into vault.audit_chain values ('primary', 99, 99, '')",
    ]) {
      await expect(asApplication(statement)).rejects.toThrow(/permission denied/);
    }
    await expect(asApplication("select vault.prune_audit(now())")).rejects.toThrow(/last 30 days/);
    await world.postgres.sql(
      "read-only",
      `update vault.audit_events set actor = 'somebody' where server = 'primary' and sequence = 2;
       delete from vault.audit_events where server = 'primary' and sequence = 4;
       delete from vault.audit_events where server = 'read-only' and sequence = 2;
       delete from vault.audit_chain where server = 'read-only' and sequence = 2`,
      "vault",
    );
    expect(await verification(readOnly)).toEqual([
      [
        "primary",
        [
          { sequence: 2, problem: "the event was changed" },
          { sequence: 4, problem: "the event was removed" },
        ],
      ],
      ["read-only", [{ sequence: 3, problem: "links of the chain were removed" }]],
    ]);
  });

  test("tens of thousands of events are verified within seconds", async () => {
    await world.postgres.sql(
      "read-only",
      `insert into vault.audit_events (server, sequence, id, at, kind, operation, outcome, actor, details)
       select 'many', n, gen_random_uuid(), date_trunc('milliseconds', now()), 'resource', 'resource.reveal', 'success', 'load', '{}'
       from generate_series(1, 40000) n;
       select vault.seal_audit('many', 0, 100000)`,
      "vault",
    );
    const startedAt = Date.now();
    const { servers } = (await readOnly.send("GET", "/api/audit/verification")).body;
    expect(Date.now() - startedAt).toBeLessThan(3000);
    expect(servers).toContainEqual({
      ...{ server: "many", events: 40_000, chained: 40_000, problems: [], unrecorded: [] },
    });
  });

  test("of tens of thousands a page far back is found by the index, and the export has all", async () => {
    const last = (await list(readOnly, "&server=read-only")).at(-1);
    const { text, values } = pageQuery({}, 100, [new Date().toISOString(), "many", 20_000]);
    const literal = values.reduce<string>(
      (sql, value, index) =>
        sql.replaceAll(`$${index + 1}`, typeof value === "number" ? `${value}` : `'${value}'`),
      text,
    );
    const plan = (await world.postgres.sql("read-only", `explain ${literal}`, "vault")).join("\n");
    expect(plan).toMatch(/Index Cond: \(ROW\(at, server, sequence\) < ROW/);
    const lines = (await readOnly.text("/api/audit/export")).trim().split("\n");
    expect(lines.length).toBeGreaterThan(40_000);
    expect(lines.some((line) => line.includes(`"sequence":${last?.sequence},`))).toBe(true);
  });

  test("the retention removes tens of thousands within seconds, some at a time, and the rest stays proven", async () => {
    await world.postgres.sql(
      "read-only",
      `insert into vault.audit_events (server, sequence, id, at, kind, operation, outcome, actor, details)
       select 'old', n, gen_random_uuid(), now() - make_interval(days => case when n <= 45000 then 500 else 0 end),
         'resource', 'resource.reveal', 'success', 'load', '{}'
       from generate_series(1, 45100) n;
       select vault.seal_audit('old', 0, 100000)`,
      "vault",
    );
    const prune = async () => {
      const sql = "set statement_timeout = '3s'; select vault.prune_audit(now() - interval '400 days')";
      return Number((await world.postgres.sql("read-only", sql, "vault")).at(-1));
    };
    expect([await prune(), await prune(), await prune(), await prune()]).toEqual([20_001, 20_000, 4999, 0]);
    const { servers } = (await readOnly.send("GET", "/api/audit/verification")).body;
    expect(servers).toContainEqual({
      ...{ server: "old", events: 100, chained: 101, problems: [], unrecorded: [] },
    });
  });

  test("nothing is revealed that cannot be recorded; it is again as soon as it can be", async () => {
    await world.postgres.docker("start", "shared");
    await world.postgres.ready("shared");
    await world.postgres.sql("read-only", "alter system set default_transaction_read_only = on");
    await world.postgres.sql("read-only", "select pg_reload_conf()");
    await until(
      "nothing writable",
      async () => (await readOnly.send("GET", "/witness")).body.writable === null,
    );
    const spool = join(readOnly.folder, "state", "audit");
    await rm(spool, { recursive: true });
    await writeFile(spool, "no folder");
    const refused = await reveal(readOnly);
    expect(refused).toMatchObject({
      status: 503,
      body: { type: "urn:pg-continuity:problem:audit-unavailable" },
    });
    expect(JSON.stringify(refused.body)).not.toContain("s3cret");
    expect((await readOnly.send("GET", "/api/resources")).status).toBe(200);
    await rm(spool);
    await mkdir(spool);
    expect((await reveal(readOnly)).status).toBe(200);
    await until("the refused one is recorded", async () => {
      const file = (await readdir(spool))[0] ?? "";
      return (await readFile(join(spool, file), "utf8")).includes('"outcome":"failed"');
    });
  });
});
