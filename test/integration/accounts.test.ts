import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { until } from "../support/serverPostgres.ts";
import { type Answer, ServerProcess } from "../support/serverProcess.ts";
import { ServerWorld } from "../support/serverWorld.ts";

// One story, told in order.
describe.sequential("accounts, roles, sessions and tokens", { timeout: 60_000 }, () => {
  let world: ServerWorld;
  let primary: ServerProcess;
  let readOnly: ServerProcess;
  let refused: ServerProcess;
  const passwords: Record<string, string> = {};
  const ids: Record<string, string> = {};
  let token = "";

  beforeAll(async () => {
    world = await ServerWorld.create("accounts");
    primary = await world.start("primary");
    readOnly = await world.start("read-only");
    const wrong = { application: "not the application's", migration: "not the migrations'" };
    refused = new ServerProcess({ ...world.options, id: "secondary", passwords: wrong });
    await refused.configure();
    refused.start();
  }, 180_000);
  afterAll(async () => {
    await refused?.stop();
    await world[Symbol.asyncDispose]();
  }, 60_000);
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => console.log(world.output.slice(-6000)));
  });

  const nobody = { authorization: "" };
  const bearer = (value: string) => ({ authorization: `Bearer ${value}` });
  const signIn = (server: ServerProcess, name: string, password = passwords[name]) =>
    server.send("POST", "/api/session", { name, password }, nobody);
  /** What a browser sends after this sign-in. */
  function browser({ headers, body }: Answer): Record<string, string> {
    const [cookie] = [headers["set-cookie"]].flat();
    return { ...nobody, cookie: cookie?.split(";")[0] ?? "", "x-csrf-token": String(body.csrfToken) };
  }

  test("the first administrator is created once; the same request is answered with the same password", async () => {
    const key = { "idempotency-key": "setup-1" };
    const made = await primary.send("POST", "/api/setup", { name: "root" }, key);
    expect(made).toMatchObject({
      status: 201,
      body: {
        account: { name: "root", role: "administrator" },
        password: expect.stringMatching(/^[\w-]{24}$/),
      },
    });
    expect((await primary.send("POST", "/api/setup", { name: "root" }, key)).body).toEqual(made.body);
    expect(await primary.send("POST", "/api/setup", { name: "other" })).toMatchObject({ status: 409 });
    passwords.root = String(made.body.password);
    const stored = await world.postgres.sql("shared", "select password_hash from vault.accounts", "vault");
    expect(stored).toEqual([expect.stringMatching(/^\$scrypt\$ln=15,r=8,p=3\$/)]);
  });

  test("a session lasts by its cookie; changes need the token against forged requests", async () => {
    const signedIn = await signIn(primary, "root");
    expect(signedIn.status).toBe(200);
    const [cookie] = [signedIn.headers["set-cookie"]].flat();
    expect(cookie).toMatch(/^__Host-pg-continuity=.*; Path=\/; .*HttpOnly; Secure; SameSite=Strict/);
    const session = browser(signedIn);
    expect(await primary.send("GET", "/api/whoami", undefined, session)).toMatchObject({
      body: { actor: "root", role: "administrator", authentication: "session" },
    });
    for (const [name, role] of Object.entries({ olga: "operator", vic: "viewer" })) {
      const { status, body } = await primary.send("POST", "/api/accounts", { name, role }, session);
      expect(status).toBe(201);
      passwords[name] = String(body.password);
      ids[name] = (body.account as { id: string }).id;
    }
    const account = { name: "eve", role: "viewer" };
    const forgeries: Record<string, string>[] = [
      { "x-csrf-token": "" },
      { "x-csrf-token": "AAAA" },
      { "sec-fetch-site": "cross-site" },
    ];
    for (const forged of forgeries) {
      const answer = await primary.send("POST", "/api/accounts", account, { ...session, ...forged });
      expect(answer).toMatchObject({
        status: 403,
        body: { type: expect.stringContaining("forged-request") },
      });
    }
    const tampered = { ...session, cookie: session.cookie?.replace(/.\./, "A.") ?? "" };
    expect((await primary.send("GET", "/api/whoami", undefined, tampered)).status).toBe(401);
    expect(
      await primary.send("POST", "/api/accounts", { name: "olga", role: "viewer" }, session),
    ).toMatchObject({
      status: 409,
    });
  });

  test("each role may do what is its duty, and no more", async () => {
    const resource = { name: "router", account: "admin", secret: "s3cret" };
    const { id } = (await primary.send("POST", "/api/resources", resource)).body;
    const allowed: Record<string, number[]> = {};
    for (const name of ["root", "olga", "vic"]) {
      const session = browser(await signIn(primary, name));
      const statuses: number[] = [];
      for (const [method, path, body] of [
        ["GET", "/api/resources"],
        ["GET", `/api/resources/${id}`],
        ["GET", `/api/resources/${id}/secret`],
        ["POST", "/api/resources", resource],
        ["GET", "/api/accounts"],
        ["POST", "/api/setup", { name: "again" }],
      ] as const) {
        statuses.push((await primary.send(method, path, body, session)).status);
      }
      allowed[name] = statuses;
    }
    expect(allowed).toEqual({
      root: [200, 200, 200, 201, 200, 403],
      olga: [200, 200, 200, 201, 403, 403],
      vic: [200, 200, 403, 403, 403, 403],
    });
  });

  test("who may not is refused and recorded, also with a path that no database can hold: nothing is held up", async () => {
    const session = browser(await signIn(primary, "vic"));
    expect((await primary.send("DELETE", "/api/resources/%00", undefined, session)).status).toBe(403);
    await until("recorded", async () => {
      const query = "operation=resource.delete&outcome=denied";
      const { items, spooledBytes } = (await primary.send("GET", `/api/audit?${query}`)).body;
      return (items as object[]).length === 1 && spooledBytes === 0;
    });
  });

  test("a program's token has its account's role and can be withdrawn", async () => {
    const session = browser(await signIn(primary, "olga"));
    const key = { "idempotency-key": "token-1" };
    const made = await primary.send("POST", "/api/tokens", { name: "backup" }, { ...session, ...key });
    expect(made).toMatchObject({ status: 201, body: { token: expect.stringMatching(/^pgc_/) } });
    const again = await primary.send("POST", "/api/tokens", { name: "backup" }, { ...session, ...key });
    expect([again.body, again.headers["idempotency-replayed"]]).toEqual([made.body, "true"]);
    token = String(made.body.token);
    expect(await primary.send("GET", "/api/whoami", undefined, bearer(token))).toMatchObject({
      body: { actor: "olga", role: "operator", authentication: "token" },
    });
    const second = (await primary.send("POST", "/api/tokens", { name: "second" }, session)).body;
    await primary.send("DELETE", `/api/tokens/${second.id}`, undefined, session);
    expect((await primary.send("GET", "/api/whoami", undefined, bearer(String(second.token)))).status).toBe(
      401,
    );
    const { items } = (await primary.send("GET", "/api/tokens", undefined, session)).body;
    expect(items).toMatchObject([{ name: "backup" }]);
    expect(JSON.stringify(items)).not.toContain("pgc_");
    // More than were listed before there were pages, and many of one moment.
    await world.postgres.sql(
      "shared",
      `insert into vault.tokens (id, account, name, hash)
       select gen_random_uuid(), '${ids.olga}', 'many ' || n, sha256(n::text::bytea) from generate_series(1, 1200) n`,
      "vault",
    );
    const names: string[] = [];
    let after = "";
    do {
      const page = (await primary.send("GET", `/api/tokens?limit=200${after}`, undefined, session)).body;
      names.push(...(page.items as { name: string }[]).map(({ name }) => name));
      after = page.next === null ? "" : `&after=${page.next}`;
    } while (after !== "");
    expect([names.length, new Set(names).size, names[0]]).toEqual([1201, 1201, "backup"]);
    const wrong = await primary.send("GET", "/api/tokens?after=x", undefined, session);
    expect(wrong).toMatchObject({ status: 400, body: { errors: [{ field: "after" }] } });
    await world.postgres.sql("shared", "delete from vault.tokens where name like 'many %'", "vault");
  });

  test("a changed password ends the other sessions, a disabled account all of them", async () => {
    const [one, two] = [browser(await signIn(primary, "vic")), browser(await signIn(primary, "vic"))];
    const change = (currentPassword: string | undefined, newPassword: string) =>
      primary.send("PUT", "/api/account/password", { currentPassword, newPassword }, one);
    expect((await change("wrong", "a much better password")).status).toBe(403);
    expect((await change(passwords.vic, "short")).status).toBe(400);
    const changed = await change(passwords.vic, "a much better password");
    expect(changed.status).toBe(200);
    passwords.vic = "a much better password";
    expect((await primary.send("GET", "/api/whoami", undefined, two)).status).toBe(401);
    const [cookie] = [changed.headers["set-cookie"]].flat();
    const three = { ...nobody, cookie: cookie?.split(";")[0] ?? "" };
    expect((await primary.send("GET", "/api/whoami", undefined, three)).status).toBe(200);
    await primary.send("PATCH", `/api/accounts/${ids.vic}`, { enabled: false });
    expect((await primary.send("GET", "/api/whoami", undefined, three)).status).toBe(401);
    expect((await signIn(primary, "vic")).status).toBe(401);
    await primary.send("PATCH", `/api/accounts/${ids.vic}`, { enabled: true });
    const guesser = browser(await signIn(primary, "olga"));
    const guess = async (currentPassword: string | undefined) =>
      primary.send(
        "PUT",
        "/api/account/password",
        { currentPassword, newPassword: "what a thief chooses" },
        guesser,
      );
    const statuses = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => (await guess(`guess ${index}`)).status),
    );
    expect(statuses.sort()).toEqual([...Array(10).fill(403), 429, 429]);
    // The right one too: it would tell that it is the right one.
    expect(await guess(passwords.olga)).toMatchObject({
      status: 429,
      body: { type: expect.stringContaining("too-many-password-attempts") },
      headers: { "retry-after": expect.stringMatching(/^\d+$/) },
    });
    const reset = await primary.send("POST", `/api/accounts/${ids.vic}/password`);
    passwords.vic = String(reset.body.password);
    const other = browser(await signIn(primary, "vic"));
    const own = { currentPassword: passwords.vic, newPassword: "another good password" };
    expect((await primary.send("PUT", "/api/account/password", own, other)).status).toBe(200);
    passwords.vic = own.newPassword;
  });

  test("signed out is signed out, at every server", async () => {
    const session = browser(await signIn(primary, "root"));
    await until("known there", async () => {
      return (await readOnly.send("GET", "/api/whoami", undefined, session)).status === 200;
    });
    expect((await primary.send("DELETE", "/api/session", undefined, session)).status).toBe(200);
    expect((await primary.send("GET", "/api/whoami", undefined, session)).status).toBe(401);
    await until("not known there", async () => {
      return (await readOnly.send("GET", "/api/whoami", undefined, session)).status === 401;
    });
  });

  test("a server that has only just started sends nobody away: it waits until it knows its vault", async () => {
    const session = browser(await signIn(primary, "root"));
    await primary.stop();
    primary.start();
    const first = async (path: string, headers: Record<string, string>): Promise<number> => {
      let status: number | null = null;
      await until("it listens", async () => {
        status = await primary.send("GET", path, undefined, headers).then(
          (answer) => answer.status,
          () => null,
        );
        return status !== null;
      });
      return status ?? 0;
    };
    const asked = [first("/api/whoami", session), first("/api/resources", bearer(token))];
    expect(await Promise.all(asked)).toEqual([200, 200]);
  });

  test("a server whose own password stays wrong says so, beside waiting for the database", async () => {
    const problem =
      /^the (shared|read-only) database has refused this server's password of the role application since /;
    await until("said", async () => (await refused.send("GET", "/healthz")).body.problem !== null, 40);
    expect(await refused.send("GET", "/read-write")).toMatchObject({
      status: 503,
      body: { state: "starting", problem: expect.stringMatching(problem) },
    });
    const logged = () => refused.output.split("\n").filter((line) => line.includes('"level":"error"'));
    await until("logged", async () => logged().length === 2);
    for (const database of ["shared", "read-only"]) {
      const line = expect.stringContaining(`the ${database} database has refused this server's password`);
      expect(logged()).toContainEqual(line);
    }
    expect(refused.output).not.toContain("not the application's");
    expect((await primary.send("GET", "/healthz")).body.problem).toBeNull();
  });

  test("with no writable database, people and programs sign in at the read-only server", async () => {
    await until("replicated", async () => (await signIn(readOnly, "olga")).status === 200);
    await world.postgres.docker("kill", "shared");
    const signedIn = await signIn(readOnly, "olga");
    expect(signedIn.status).toBe(200);
    const session = browser(signedIn);
    expect((await readOnly.send("GET", "/api/resources", undefined, session)).status).toBe(200);
    expect((await readOnly.send("GET", "/api/resources", undefined, bearer(token))).status).toBe(200);
    const refused = await readOnly.send("POST", "/api/tokens", { name: "x" }, session);
    expect(refused).toMatchObject({
      status: 503,
      body: { type: expect.stringContaining("read-only-continuity") },
    });
    expect((await readOnly.send("DELETE", "/api/session", undefined, session)).status).toBe(200);
    expect((await readOnly.send("GET", "/api/whoami", undefined, session)).status).toBe(401);
  });

  test("password attempts are limited, right ones too; nothing secret is in the logs", async () => {
    const attempt = async () => (await signIn(readOnly, "nobody", "wrong")).status;
    const statuses = await Promise.all(Array.from({ length: 12 }, attempt));
    expect(statuses.sort()).toEqual([...Array(10).fill(401), 429, 429]);
    expect((await signIn(readOnly, "olga")).status).toBe(200);
    for (const hidden of [...Object.values(passwords), token, "s3cret"]) {
      expect(world.output).not.toContain(hidden);
    }
  });
});
