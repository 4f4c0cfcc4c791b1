import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { until } from "../support/serverPostgres.ts";
import type { ServerProcess } from "../support/serverProcess.ts";
import { ServerWorld } from "../support/serverWorld.ts";

// One story, told in order.
describe.sequential("the vault: resources and the keys that seal them", { timeout: 60_000 }, () => {
  let world: ServerWorld;
  let primary: ServerProcess;
  let secondary: ServerProcess;

  beforeAll(async () => {
    world = await ServerWorld.create("vault");
    [primary, secondary] = await Promise.all([world.start("primary"), world.start("secondary")]);
  }, 180_000);
  afterAll(async () => world[Symbol.asyncDispose](), 60_000);
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => console.log(world.output.slice(-6000)));
  });

  const create = async (name: string, more: object = {}) =>
    String(
      (await primary.send("POST", "/api/resources", { name, account: "root", secret: `of ${name}`, ...more }))
        .body.id,
    );
  const reveal = async (server: ServerProcess, id: string) =>
    (await server.send("GET", `/api/resources/${id}/secret`)).body.secret;

  /** Gives both servers a key file of these. */
  const install = async (...keys: (string | undefined)[]) => {
    for (const server of [primary, secondary]) {
      const read = server.output.split("configuration read again").length;
      await writeFile(join(server.folder, "key"), keys.join("\n"));
      server.signal("SIGHUP");
      await until("read", async () => server.output.split("configuration read again").length > read);
    }
  };
  const keysOf = async (server: ServerProcess) =>
    (await server.send("GET", "/api/keys")).body as {
      current: string;
      keys: { fingerprint: string; resources: number; held: boolean }[];
    };

  test("a resource is changed without its secret, and its secret is rotated without being shown", async () => {
    const id = await create("router", { rotateEveryDays: 30 });
    const before = (await primary.send("GET", `/api/resources/${id}`)).body;
    const changed = await primary.send("PATCH", `/api/resources/${id}`, {
      account: "admin",
      rotateEveryDays: null,
    });
    expect(changed).toMatchObject({
      status: 200,
      body: { id, name: "router", account: "admin", rotateEveryDays: null, rotatedAt: before.rotatedAt },
    });
    expect(await reveal(primary, id)).toBe("of router");

    const given = await primary.send("POST", `/api/resources/${id}/rotate`, { secret: "given" });
    expect(given.status).toBe(200);
    expect(String(given.body.rotatedAt) > String(before.rotatedAt)).toBe(true);
    expect(await reveal(secondary, id)).toBe("given");
    const key = { "idempotency-key": "rotate-1" };
    const made = await primary.send("POST", `/api/resources/${id}/rotate`, {}, key);
    const secret = await reveal(primary, id);
    expect(secret).toMatch(/^[\w-]{32}$/);
    expect(JSON.stringify(made.body)).not.toContain(secret);
    await secondary.send("POST", `/api/resources/${id}/rotate`, {}, key);
    expect(await reveal(primary, id)).toBe(secret);

    const nobody = "00000000-0000-4000-8000-000000000000";
    expect((await primary.send("PATCH", `/api/resources/${nobody}`, { name: "x" })).status).toBe(404);
    expect((await primary.send("POST", `/api/resources/${nobody}/rotate`, {})).status).toBe(404);
    expect((await primary.send("PATCH", `/api/resources/${id}`, {})).status).toBe(400);
  });

  test("resources are found by name or account, and by a secret that is due", async () => {
    const old = await create("switch", { rotateEveryDays: 1 });
    await create("firewall", { rotateEveryDays: 1, account: "SwitchBoard" });
    await world.postgres.sql(
      "shared",
      `update vault.resources set rotated_at = now() - interval '2 days' where id = '${old}'`,
      "vault",
    );
    const names = async (query: string) =>
      ((await primary.send("GET", `/api/resources?${query}`)).body.items as { name: string }[]).map(
        ({ name }) => name,
      );
    expect(await names("search=switch")).toEqual(["firewall", "switch"]);
    expect(await names("due=true")).toEqual(["switch"]);
    expect(await names("due=false&search=switch")).toEqual(["firewall"]);
  });

  test("the key is replaced while secrets are revealed: sealed again, then the old key is not needed", async () => {
    const ids = await Promise.all(Array.from({ length: 30 }, (_, index) => create(`key-${index}`)));
    const [old, fresh] = [world.options.encryptionKey, randomBytes(32)].map((key) => key.toString("base64"));
    let failed = "";
    let revealed = 0;
    let stopped = false;
    const reading = Promise.all(
      [primary, secondary].map(async (server) => {
        for (let index = 0; !stopped; index = (index + 1) % ids.length) {
          const secret = await reveal(server, ids[index] ?? "");
          if (secret !== `of key-${index}`) failed += ` key-${index}: ${secret}`;
          revealed += 1;
        }
      }),
    );
    await install(old, fresh);
    await until("known to the database", async () => (await keysOf(primary)).keys.length === 2);
    // So it can seal from the first moment on.
    await install(fresh, old);
    const id = await create("sealed by the fresh one");
    expect(await reveal(secondary, id)).toBe("of sealed by the fresh one");
    const { body } = await primary.send("POST", "/api/keys/re-encrypt");
    expect(body).toMatchObject({ remaining: 0 });
    const { current, keys } = await keysOf(primary);
    for (const { fingerprint, resources, held } of keys) {
      expect([fingerprint === current, resources > 0, held]).toEqual([
        fingerprint === current,
        fingerprint === current,
        true,
      ]);
    }
    await until("revealed all the time", async () => revealed > 50);
    stopped = true;
    await reading;
    expect(failed).toBe("");
    await install(fresh);
    await primary.stop();
    primary.start();
    await until("ready with the fresh key alone", async () => (await primary.status("/primary")) === 200);
    expect(failed).toBe("");
    expect(await reveal(primary, ids[0] ?? "")).toBe("of key-0");
  });

  test("secrets that cannot be opened stop none of the others, are named, and keep their key", async () => {
    const ids = await Promise.all(Array.from({ length: 3 }, (_, index) => create(`whole-${index}`)));
    // More than one part of damaged ones, before all others.
    const damaged = `insert into vault.resources (id, name, account, secret_key_id, secret_nonce, secret_ciphertext)
      select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'damaged ' || n, 'x', secret_key_id,
        secret_nonce, secret_ciphertext from vault.resources, generate_series(1, 600) n where id = '${ids[0]}'`;
    await world.postgres.sql("shared", damaged, "vault");
    const current = (await readFile(join(primary.folder, "key"), "utf8")).trim();
    const next = randomBytes(32).toString("base64");
    await install(current, next);
    await until("known to the database", async () => (await keysOf(primary)).keys.length === 3);
    await install(next, current);
    const before = await keysOf(primary);
    const old = before.keys.find(({ fingerprint, held }) => held && fingerprint !== before.current);
    let part: { reencrypted: number; remaining: number; damaged: { id: string; problem: string }[] };
    do {
      part = (await primary.send("POST", "/api/keys/re-encrypt")).body as typeof part;
    } while (part.reencrypted > 0);
    expect(old?.resources).toBeGreaterThan(600);
    expect(part).toMatchObject({ remaining: 600, reencrypted: 0 });
    expect(part.damaged).toHaveLength(100);
    expect(part.damaged[0]).toEqual({
      id: "00000000-0000-4000-8000-000000000001",
      problem: expect.stringMatching(/was altered or belongs to another$/),
    });
    expect(
      (await keysOf(primary)).keys.find(({ fingerprint }) => fingerprint === old?.fingerprint),
    ).toMatchObject({
      resources: 600,
    });
    for (const [index, id] of ids.entries()) expect(await reveal(secondary, id)).toBe(`of whole-${index}`);
    // The scheduled task ends as failed, and says which.
    await primary.send("POST", "/api/tasks/re-encryption/run");
    await until("the task has failed", async () => {
      const query = "operation=task.re-encryption&outcome=failed&limit=1";
      const [run] = (await primary.send("GET", `/api/audit?${query}`)).body.items as {
        details: { reason: string };
      }[];
      return /^600 secrets cannot be opened.*: 00000000-0000-4000-8000-000000000001, .* and 580 more/.test(
        run?.details.reason ?? "",
      );
    });
    await world.postgres.sql("shared", "delete from vault.resources where name like 'damaged %'", "vault");
  });

  test("a key file without the key that seals is refused by a running server", async () => {
    await writeFile(join(secondary.folder, "key"), randomBytes(32).toString("base64"));
    secondary.signal("SIGHUP");
    await until("refused", async () => secondary.output.includes("the key that seals now is missing"));
    expect((await secondary.send("GET", "/api/resources")).status).toBe(200);
  });
});
