import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Overview } from "../../../server/overview/schema.ts";
import { HttpServer } from "../../support/httpServer.ts";

const nobody = { authorization: "" };

describe("bad input", () => {
  test.each([
    ["a zone further than PostgreSQL knows", "2026-01-01T00:00:00+16:00"],
    ["more digits than PostgreSQL reads", `2026-01-01T00:00:00.${"1".repeat(150)}Z`],
  ])("should be refused before the database is asked: %s", async (_, time) => {
    await using server = await HttpServer.start();
    for (const path of ["/api/audit?from=", "/api/audit/export?to="])
      expect((await server.send("GET", path + encodeURIComponent(time))).status).toBe(400);
    const place = Buffer.from(JSON.stringify([time, "primary", 1])).toString("base64url");
    expect((await server.send("GET", `/api/audit?after=${place}`)).status).toBe(400);
  });

  test("should be refused before the database is asked: a name that no database can hold", async () => {
    await using server = await HttpServer.start();
    const answer = await server.send("POST", "/api/session", { name: "a\0", password: "x" }, nobody);
    expect(answer.status).toBe(400);
  });
});

test("whoever brings nothing has failed at nothing: the page of a 21st visitor still asks for a password", async () => {
  await using server = await HttpServer.start();
  const ask = async (authorization: string) =>
    (await server.send("GET", "/api/session", undefined, { authorization })).status;
  for (let visitor = 0; visitor < 25; visitor += 1) expect(await ask("")).toBe(401);
  for (let guess = 0; guess < 20; guess += 1) expect(await ask("Bearer wrong")).toBe(401);
  expect(await ask("Bearer wrong")).toBe(429);
});

test("a change that is given up by its time limit may have been done, and says so", async () => {
  await using server = await HttpServer.start({
    requestTimeoutSeconds: 1,
    writer: { run: () => sleep(3000) as Promise<never> },
  });
  const resource = { name: "x", account: "y", secret: "z" };
  const { status, text } = await server.send("POST", "/api/resources", resource);
  expect([status, JSON.parse(text)]).toEqual([
    503,
    expect.objectContaining({
      type: "urn:pg-continuity:problem:time-limit",
      outcomeUnknown: true,
      detail: expect.stringContaining("same Idempotency-Key"),
    }),
  ]);
});

test("the limit of a request follows the configuration: what waits longer by it is not given up earlier", async () => {
  let limit = 1;
  const slow = async () => {
    await sleep(2500);
    return { items: [], more: false };
  };
  await using server = await HttpServer.start({ requestTimeoutSeconds: () => limit, read: slow });
  const list = async () => (await server.send("GET", "/api/resources")).status;
  expect(await list()).toBe(503);
  limit = 5;
  expect(await list()).toBe(200);
});

test("also what comes before an operation is given up in time: a session that nobody can look up", async () => {
  await using server = await HttpServer.start({
    requestTimeoutSeconds: 0.2,
    read: () => sleep(4000) as Promise<never>,
  });
  const { sessions } = server.services;
  const cookie = `__Host-pg-continuity=${sessions.seal(sessions.begin(randomUUID(), 1, Date.now()))}`;
  const { status, text } = await server.send("GET", "/api/resources", undefined, { ...nobody, cookie });
  expect([status, JSON.parse(text).type]).toEqual([503, "urn:pg-continuity:problem:time-limit"]);
});

test("an account is not called as the deployment's own token is in the audit", async () => {
  await using server = await HttpServer.start();
  for (const [path, body] of [
    ["/api/accounts", { name: "administrator", role: "viewer" }],
    ["/api/setup", { name: "administrator" }],
  ] as const) {
    const { status, text } = await server.send("POST", path, body);
    expect([status, JSON.parse(text).errors]).toEqual([
      400,
      [{ field: "name", message: expect.stringMatching(/must not be administrator: .*own token/) }],
    ]);
  }
});

test("an export may take longer than a request", async () => {
  const event = (page: number) => ({
    server: "primary",
    sequence: page,
    details: {},
    at: "2026-01-01T00:00:00.000Z",
  });
  let page = 0;
  await using server = await HttpServer.start({
    requestTimeoutSeconds: 1,
    read: async () => {
      await sleep(500);
      page += 1;
      return { items: [event(page)], next: page < 4 ? ["2026-01-01T00:00:00.000Z", "primary", page] : null };
    },
  });
  const { status, text } = await server.send("GET", "/api/audit/export");
  expect([status, text.trim().split("\n").length]).toEqual([200, 4]);
});

test("who only asks for the headers of the events is not listened to", async () => {
  const listeners = new Set<unknown>();
  await using server = await HttpServer.start({
    monitor: {
      overview: () => ({}) as Overview,
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  });
  expect((await server.send("HEAD", "/api/high-availability/events")).status).toBe(404);
  expect(listeners.size).toBe(0);
  expect((await server.send("GET", "/api/high-availability/events?seconds=1")).text).toContain(
    "event: overview",
  );
  expect(listeners.size).toBe(0);
});

test("a wrong current password is recorded", async () => {
  const id = randomUUID();
  const account = { id, name: "ada", role: "viewer", epoch: 1, passwordHash: null };
  await using server = await HttpServer.start({ read: async () => account });
  const { sessions } = server.services;
  const session = sessions.begin(id, 1, Date.now());
  const cookie = `__Host-pg-continuity=${sessions.seal(session)}`;
  const headers = { ...nobody, cookie, "x-csrf-token": sessions.csrfToken(session) };
  const body = { currentPassword: "guess", newPassword: "what a thief chooses" };
  expect((await server.send("PUT", "/api/account/password", body, headers)).status).toBe(403);
  expect(server.events).toMatchObject([
    { kind: "user", operation: "account.change-password", actor: "ada", actorId: id, outcome: "denied" },
  ]);
});

describe("permissions", () => {
  /** Who may call each operation: the least of the roles. A new operation has to be put here. */
  const least = {
    nobody: ["signIn", "openApi"],
    viewer: [
      ...[
        "whoami",
        "version",
        "readSession",
        "signOut",
        "changePassword",
        "createToken",
        "listTokens",
        "deleteToken",
      ],
      ...["readHighAvailability", "readLagHistory", "watchHighAvailability", "listResources", "readResource"],
    ],
    operator: ["revealSecret", "createResource", "updateResource", "rotateSecret", "deleteResource"],
    administrator: [
      ...["createAccount", "listAccounts", "updateAccount", "deleteAccount", "resetPassword", "listKeys"],
      ...["reencrypt", "listAudit", "exportAudit", "verifyAudit", "listTransitions", "listTasks", "runTask"],
      ...["renameServer", "downloadSupportBundle", "testAlerts"],
    ],
    // Only the deployment's own token.
    deployment: ["setup"],
  } as const;
  const ranks = Object.keys(least);

  test("are asked for by every operation, of whoever is signed in", async () => {
    const account = { id: randomUUID(), name: "ada", role: "", epoch: 1, passwordHash: null };
    await using server = await HttpServer.start({
      read: async (): Promise<unknown> => (account.role === "" ? null : { ...account }),
      monitor: { overview: () => ({}) as Overview, subscribe: () => () => undefined },
    });
    const { sessions } = server.services;
    // Each time another: one of the operations ends it.
    const signedIn = () => {
      const session = sessions.begin(account.id, 1, Date.now());
      const cookie = `__Host-pg-continuity=${sessions.seal(session)}`;
      return { ...nobody, cookie, "x-csrf-token": sessions.csrfToken(session) };
    };
    const { paths } = JSON.parse((await server.send("GET", "/api/openapi.json")).text) as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => ({ path, method, operationId })),
    );
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(
      Object.values(least).flat().sort(),
    );
    const wrong: unknown[] = [];
    for (const { path, method, operationId } of operations) {
      const values = { id: randomUUID(), server: "primary", task: "clean-up" };
      const url = path.replace(/\{(\w+)\}/g, (_, name: keyof typeof values) => values[name]);
      const body = operationId === "setup" ? { name: "a" } : undefined;
      const seconds = operationId === "watchHighAvailability" ? "?seconds=1" : "";
      const rank = ranks.findIndex((one) => least[one as keyof typeof least].includes(operationId as never));
      for (const [index, role] of ["nobody", "viewer", "operator"].entries()) {
        account.role = index === 0 ? "" : role;
        server.services.directory.forget();
        const { status } = await server.send(
          method.toUpperCase(),
          url + seconds,
          body,
          index === 0 ? nobody : signedIn(),
        );
        const refused = index === 0 ? status === 401 : status === 403;
        if (refused !== index < rank && operationId !== "signIn") wrong.push([operationId, role, status]);
      }
    }
    expect(wrong).toEqual([]);
  });
});

test.each([
  ["GET", "/api/openapi.json", 200],
  ["GET", "/api/whoami", 401],
  ["GET", "/nothing", 404],
  ["GET", "/api/resources/%zz", 400],
])("%s %s has the headers that browsers need to be careful", async (method, path, status) => {
  await using server = await HttpServer.start();
  const answer = await server.send(method, path, undefined, nobody);
  expect([answer.status, answer.headers]).toEqual([
    status,
    expect.objectContaining({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "strict-transport-security": "max-age=31536000",
    }),
  ]);
});
