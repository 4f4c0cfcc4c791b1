import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ServerName } from "../../core/vocabulary.ts";
import { renderTest, sendTest } from "../../scripts/alerts/sendTest.ts";
import type { Overview } from "../../server/overview/schema.ts";
import { WebhookReceiver } from "../support/receivers.ts";
import { freePort, until } from "../support/serverPostgres.ts";
import type { ServerProcess } from "../support/serverProcess.ts";
import { ServerWorld } from "../support/serverWorld.ts";

/** Without the name that is shown, and why. */
const withoutReason = (text: string) => text.replace(/ \("[^"]*"\)/, "").replace(/ \(.*/, "");

/** Until the same thing would be told a second time, if it were. */
const quietMs = 3000;

describe("the alerts of three servers", { timeout: 120_000 }, () => {
  let world: ServerWorld;
  let receiver: WebhookReceiver;
  const servers = new Map<ServerName, ServerProcess>();
  const of = (name: ServerName): ServerProcess => {
    const server = servers.get(name);
    if (server === undefined) throw new Error(`${name} was never started`);
    return server;
  };
  const alerts = () => ({
    ...{
      delaySeconds: 2,
      recoverySeconds: 2,
      silenced: ["phase" as const, "disk" as const, "certificate" as const],
    },
    webhook: { url: `http://127.0.0.1:${receiver.port}/services/SECRET` },
  });
  const overview = async (name: ServerName) =>
    (await of(name).send("GET", "/api/high-availability")).body as unknown as Overview;
  const told = (text: string) => receiver.texts.filter((candidate) => candidate.includes(text)).length;
  const comes = (text: string, times = 1, seconds = 25) =>
    until(
      `"${text}" is told ${times} times: ${receiver.texts.join(" | ")}`,
      async () => told(text) >= times,
      seconds,
    );

  beforeAll(async () => {
    world = await ServerWorld.create("alerts");
    receiver = await WebhookReceiver.listen();
    servers.set("primary", await world.start("primary"));
  }, 180_000);
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    await receiver.close();
  }, 60_000);

  test("without a channel nothing is sent, written or asked; what is wrong is shown", async () => {
    await until("the overview says so", async () =>
      (await overview("primary")).alerts.some(({ key }) => key === "server-inactive:secondary"),
    );
    expect(await overview("primary")).toMatchObject({ alerting: null });
    expect(await of("primary").send("POST", "/api/alerts/test")).toMatchObject({ status: 409 });
    expect(await readdir(join(of("primary").folder, "state"))).not.toContain("alerts.json");
    expect(await world.postgres.sql("shared", "select name from vault.leases", "vault")).not.toContain(
      "alerts",
    );
    await servers.set("secondary", await world.start("secondary", { alerts: alerts() }));
    await servers.set("read-only", await world.start("read-only", { alerts: alerts() }));
    await of("primary").configure({ alerts: alerts() });
    of("primary").signal("SIGHUP");
    await until("the primary server knows of it", async () => (await overview("primary")).alerting !== null);
  });

  test("a test notice arrives, and is in the audit", async () => {
    const answer = await of("read-only").send("POST", "/api/alerts/test");
    expect(answer).toMatchObject({
      status: 200,
      body: { channels: [{ channel: "webhook", problem: null }] },
    });
    expect(told("TEST")).toBe(1);
  });

  test("the command has the first server that answers send one; a channel that fails is named with its reason", async () => {
    const access = { caCertificate: world.options.authority.ca, adminToken: world.options.token };
    const at = (name: ServerName, port = of(name).port) => ({
      ...{ name, node: name, published: { address: "127.0.0.1", port } },
    });
    const before = told("TEST");
    const report = await sendTest([at("secondary", await freePort()), at("primary")], access);
    expect(report).toEqual({ server: "primary", channels: [{ channel: "webhook", problem: null }] });
    expect(told("TEST")).toBe(before + 1);
    expect(renderTest(report, "dev")).toBe("ok     webhook: taken\nsent by the primary server of dev\n");
    receiver.status = 503;
    expect(renderTest(await sendTest([at("primary")], access), "dev")).toMatch(
      /^failed webhook: the receiver answered HTTP 503\n/,
    );
    receiver.status = 200;
    await expect(sendTest([at("primary", await freePort())], access)).rejects.toThrow(
      /^no server answers: primary \(connect ECONNREFUSED/,
    );
    await expect(sendTest([at("primary")], { ...access, adminToken: "x".repeat(43) })).rejects.toThrow(
      "the primary server has sent nothing: 401, The token is not known, has expired or was withdrawn.",
    );
  });

  test("the loss of the server that sends is told once, and so is its return", async () => {
    await until("one sends", async () => (await overview("primary")).alerting?.sender != null);
    const sender = (await overview("primary")).alerting?.sender ?? "primary";
    of(sender).signal("SIGKILL");
    await comes(`WARNING ${sender} server`);
    await sleep(quietMs);
    const other: ServerName = sender === "primary" ? "secondary" : "primary";
    const seen = await overview(other);
    expect(seen.alerts).toMatchObject([{ key: `server-inactive:${sender}`, firedAt: expect.any(String) }]);
    expect(seen.alerting?.sender).not.toBe(sender);
    of(sender).start();
    await comes(`RECOVERED: ${sender} server`);
    await sleep(quietMs);
    expect([told(`WARNING ${sender} server`), told(`RECOVERED: ${sender} server`)]).toEqual([1, 1]);
    expect((await overview(other)).alerts).toEqual([]);
  });

  test("a channel that fails is shown, and tried again until it takes what waits", async () => {
    receiver.status = 503;
    await world.postgres.docker("kill", "read-only");
    await until(
      "the failure is shown by every server",
      async () =>
        (await overview("primary")).alerting?.channels[0]?.problem === "the receiver answered HTTP 503" &&
        (await overview("secondary")).alerting?.channels[0]?.problem === "the receiver answered HTTP 503",
    );
    const metrics = await of("primary").text("/metrics");
    expect(metrics).toContain('pg_continuity_alert_channel_failing{channel="webhook"} 1');
    expect(metrics).toMatch(/pg_continuity_alert\{rule="replication-stopped",.*severity="warning"\} 1/);
    receiver.status = 200;
    await comes("WARNING read-only database receives nothing");
    await comes("WARNING deployment has only the shared database");
    await world.postgres.docker("start", "read-only");
    await comes("RECOVERED: read-only database receives nothing");
    await comes("RECOVERED: deployment has only the shared database");
    await until(
      "it is shown as well again",
      async () => (await overview("primary")).alerting?.channels[0]?.problem === null,
    );
  });

  test("the read-only server alone tells all of it, once; so does whoever comes back", async () => {
    // Until the others know of what one has just told, only that one does: killed before, it is told again.
    await sleep(quietMs);
    const before = receiver.texts.length;
    for (const name of ["primary", "secondary"] as const) of(name).signal("SIGKILL");
    await world.postgres.docker("kill", "shared");
    await comes("CRITICAL databases no database accepts writes");
    await until("both servers are told of again", async () => receiver.texts.length >= before + 3, 25);
    expect(await overview("read-only")).toMatchObject({ alerting: { sender: "read-only" } });
    // It is started again, and still knows what was told.
    await of("read-only").stop();
    of("read-only").start();
    await sleep(10_000 + quietMs);
    const down = receiver.texts.slice(before).map((text) => withoutReason(text));
    expect([...down].sort()).toEqual([
      "[test] CRITICAL databases no database accepts writes, only reading goes on",
      "[test] WARNING primary server is down",
      "[test] WARNING secondary server is down",
    ]);
    await world.postgres.docker("start", "shared");
    for (const name of ["primary", "secondary"] as const) of(name).start();
    const over = down.map((text) => text.replace(/CRITICAL|WARNING/, "RECOVERED:"));
    // The standby may need longer than the delay of these alerts until it finds its source again: that is told, too.
    const toldSince = () =>
      receiver.texts
        .slice(before + 3)
        .map((text) => withoutReason(text))
        .filter((text) => !/read-only database receives nothing|only the shared database/.test(text));
    await until("all is over", async () => over.every((text) => toldSince().includes(text)), 40);
    await sleep(quietMs);
    expect(toldSince().sort()).toEqual(over.sort());
    expect(world.output).not.toContain("SECRET");
  });
});
