import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { continuitySchema } from "../../core/render/roles.ts";
import type { Evidence } from "../../core/transition/evidence.ts";
import {
  keepPicture,
  launchBrowser,
  openPage,
  overflowOf,
  signIn,
  violationsOf,
  visit,
} from "../support/browser.ts";
import { loadCold } from "../support/coldLoad.ts";
import { until } from "../support/serverPostgres.ts";
import type { ServerProcess } from "../support/serverProcess.ts";
import { ServerWorld } from "../support/serverWorld.ts";

const evidence: Evidence = {
  version: 1,
  transition: "promote",
  transitionId: "CHG-1042",
  stack: "test",
  actor: "ada@bridge",
  commit: null,
  startedAt: "2026-11-21T10:00:00.000Z",
  endedAt: "2026-11-21T10:00:02.000Z",
  verdict: "done",
  before: [{ name: "shared", role: "primary", systemId: "1", timeline: 1, lsn: "0/300A378" }],
  after: [{ name: "shared", role: "standby", systemId: "1", timeline: 2, lsn: "0/300B000" }],
  steps: [
    {
      step: "switch-over",
      startedAt: "2026-11-21T10:00:01.000Z",
      seconds: 0.31,
      result: "done",
      details: { promotedAt: "0/300A400" },
    },
  ],
  writeGapSeconds: 0.287,
  lostWrites: 0,
  warnings: [],
  error: null,
};

// One story, told in order.
describe.sequential("the web pages in a browser", { timeout: 90_000 }, () => {
  let world: ServerWorld;
  let primary: ServerProcess;
  let secondary: ServerProcess;
  let readOnly: ServerProcess;
  let browser: Browser;
  let page: Page;
  let password = "";
  let viewerPassword = "";
  let viewerId = "";

  beforeAll(async () => {
    [world, browser] = await Promise.all([ServerWorld.create("browser"), launchBrowser()]);
    const { postgres } = world;
    for (const statement of [
      "create role monitoring",
      "create role operator",
      "select pg_create_physical_replication_slot('read_only')",
    ])
      await postgres.sql("shared", statement);
    for (const statement of [
      ...continuitySchema,
      `insert into continuity.transition (evidence) values ('${JSON.stringify(evidence)}')`,
    ])
      await postgres.sql("shared", statement, "vault");
    await postgres.sql("read-only", "alter system set primary_slot_name = 'read_only'");
    await postgres.sql("read-only", "select pg_reload_conf()");
    [primary, secondary] = await Promise.all([world.start("primary"), world.start("secondary")]);
    readOnly = await world.start("read-only");
    const setup = await primary.send("POST", "/api/setup", { name: "ada" });
    password = String(setup.body.password);
    const viewer = await primary.send("POST", "/api/accounts", { name: "vera", role: "viewer" });
    viewerPassword = String(viewer.body.password);
    viewerId = (viewer.body.account as { id: string }).id;
    await primary.send("POST", "/api/resources", {
      name: "core-router",
      account: "admin",
      secret: "correct horse",
    });
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await world[Symbol.asyncDispose]();
  }, 60_000);
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      console.log(await page?.locator("body").innerText().catch(String));
      console.log(world.output.slice(-3000));
    });
  });

  const tile = (name: string): ReturnType<Page["locator"]> => page.getByRole("article", { name });
  const activeIn = (name: string) => tile(name).getByText("Active", { exact: true });
  const inactiveIn = (name: string) => tile(name).getByText("Inactive", { exact: true });
  const tiles = [
    "Primary server",
    "Secondary server",
    "Read-only server",
    "Shared database",
    "Read-only database",
  ];

  /** From what is done until the page shows it, in milliseconds. */
  const shownAfter = async (act: () => Promise<unknown>, shown: () => Promise<void>): Promise<number> => {
    await act();
    const startedAt = performance.now();
    await shown();
    return performance.now() - startedAt;
  };

  test("are served compressed, by name cacheable for ever, under a policy without inline scripts", async () => {
    const document = await primary.request("GET", "/high-availability", undefined, { authorization: "" });
    expect(document).toMatchObject({
      status: 200,
      headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-cache" },
    });
    const policy = String(document.headers["content-security-policy"]);
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain("unsafe");
    const assets = [...document.text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(
      ([, path]) => path ?? "",
    );
    expect(assets).toHaveLength(2);
    let bytes = 0;
    for (const path of assets) {
      const asset = await primary.request("GET", path, undefined, {
        authorization: "",
        "accept-encoding": "gzip",
      });
      expect(asset.headers).toMatchObject({
        "content-encoding": "gzip",
        "cache-control": "public, max-age=31536000, immutable",
      });
      bytes += Number(asset.headers["content-length"]);
    }
    // React's development build alone is more.
    expect(bytes).toBeLessThan(120_000);
    const again = { authorization: "", "if-none-match": String(document.headers.etag) };
    expect((await primary.request("GET", "/", undefined, again)).status).toBe(304);
    expect((await primary.send("GET", "/no-such-page")).status).toBe(404);
    expect((await primary.send("GET", "/assets/../server.mjs")).status).toBe(404);
  });

  test("let nobody in with a wrong password, and everybody with the right one, by keyboard alone", async () => {
    page = await openPage(browser, primary);
    await visit(page, "/audit/user");
    await page.getByLabel("Name").fill("ada");
    await page.getByLabel("Password").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("Name or password is wrong").waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await signIn(page, "ada", password);
    expect(new URL(page.url()).pathname).toBe("/high-availability");
  });

  test("High availability shows every server and database, and one sentence for all of it", async () => {
    for (const name of tiles) await activeIn(name).waitFor();
    await page.getByText("Everything is as declared.").waitFor();
    await tile("Read-only database").getByText("read_only active").waitFor();
    await tile("Read-only database").getByText("Streaming").waitFor();
    expect(await tile("Shared database").innerText()).toMatch(
      /accepts writes[\s\S]*Timeline\s*1\s*LSN\s*0\//,
    );
    const picture = page.getByRole("img", { name: /Topology/ });
    expect(await picture.locator("desc").textContent()).toContain("The read-only database follows it.");
    await expect
      .poll(() => page.getByRole("region", { name: "Who reaches whom" }).getByText("yes").count())
      .toBe(12);
    expect(await violationsOf(page)).toEqual([]);
    await keepPicture(page, "high-availability");
  });

  // "npm run bench -- pages" says where the time goes, and how long the slowest takes.
  test("is usable within a second from a cold cache: the median of five", async () => {
    const { cookies } = await page.context().storageState();
    const times: number[] = [];
    for (let run = 0; run < 5; run += 1) times.push((await loadCold(browser, primary, cookies)).seconds);
    expect(
      times.toSorted((a, b) => a - b)[2],
      `of ${times.map((time) => time.toFixed(2)).join(", ")} s`,
    ).toBeLessThan(1);
  });

  test("a database that is killed is shown within two seconds, with the reason and the remedy, and its return", async () => {
    const took = await shownAfter(
      () => world.postgres.docker("kill", "read-only"),
      () => inactiveIn("Read-only database").waitFor(),
    );
    expect(took).toBeLessThan(2000);
    const text = await tile("Read-only database").innerText();
    expect(text).toMatch(/Why, and what helps\s*down: [\s\S]*docker start \S+-read-only/);
    await page.getByText(/runs on one database \(shared\)/).waitFor();
    await world.postgres.docker("start", "read-only");
    await activeIn("Read-only database").waitFor();
    await page.getByText("Everything is as declared.").waitFor();
  });

  test("a replica that answers and does not stream is inactive for its replication", async () => {
    const useSlot = async (name: string) => {
      await world.postgres.sql("read-only", `alter system set primary_slot_name = '${name}'`);
      await world.postgres.sql("read-only", "select pg_reload_conf()");
    };
    await useSlot("nobody");
    await inactiveIn("Read-only database").waitFor();
    const summary = tile("Read-only database").getByText(/^Likely cause:/);
    await expect.poll(() => summary.innerText()).toBe("Likely cause: The database or its replication");
    await summary.click();
    // The databases are looked at one after the other, each once a second.
    const text = expect.poll(() => tile("Read-only database").innerText(), { timeout: 5000 });
    await text.toMatch(
      /pg_stat_wal_receiver is empty[\s\S]*Its slot read_only is inactive[\s\S]*docker logs --tail 50 \S+-read-only/,
    );
    await useSlot("read_only");
    await activeIn("Read-only database").waitFor();
  });

  test("a server that is killed is shown within two seconds, and who does not reach it", async () => {
    const took = await shownAfter(
      async () => secondary.signal("SIGKILL"),
      () => inactiveIn("Secondary server").waitFor(),
    );
    expect(took).toBeLessThan(2000);
    const row = page.getByRole("row", { name: /^Secondary server/ });
    await expect.poll(() => row.getByText("no").count()).toBe(2);
    await secondary.ended();
    secondary.start();
    await activeIn("Secondary server").waitFor();
    await page.getByText("Everything is as declared.").waitFor();
    // Its first samples are half a minute old, and the page asks for them each quarter of one.
    await page.getByRole("img", { name: /^Lag from .+ at most/ }).waitFor({ timeout: 50_000 });
  });

  test("an administrator renames a server: shown at every server, recorded, nobody else may", async () => {
    await tile("Primary server")
      .getByRole("button", { name: /^Rename/ })
      .click();
    await page.getByLabel("New name").fill("Bridge");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Bridge" }).waitFor();
    await until("the read-only server tells the name too", async () => {
      const { servers } = (await readOnly.send("GET", "/api/high-availability")).body as {
        servers: { name: string; displayName: string }[];
      };
      return servers.find(({ name }) => name === "primary")?.displayName === "Bridge";
    });
    expect((await primary.send("GET", "/api/whoami")).body).toMatchObject({
      server: { displayName: "Bridge" },
    });
    const { items } = (await primary.send("GET", "/api/audit?operation=server.rename")).body as {
      items: object[];
    };
    expect(items[0]).toMatchObject({ actor: "ada", object: "primary", details: { displayName: "Bridge" } });
    const stranger = await openPage(browser, secondary);
    await signIn(stranger, "vera", viewerPassword);
    await stranger.getByRole("heading", { name: "Bridge" }).waitFor();
    expect(await stranger.getByRole("button", { name: /^Rename/ }).count()).toBe(0);
    expect(await stranger.getByRole("link", { name: "Audit" }).count()).toBe(0);
    await stranger.getByRole("link", { name: "Resources" }).click();
    await stranger.getByRole("rowheader", { name: "core-router" }).waitFor();
    expect(await stranger.getByRole("button", { name: /Reveal|New|Edit/ }).count()).toBe(0);
    // The session ends meanwhile: to sign out leads to the sign-in all the same.
    await primary.send("POST", `/api/accounts/${viewerId}/password`);
    const ended = () => stranger.evaluate<number>("fetch('/api/whoami').then(({ status }) => status)");
    await until("the other server knows", async () => (await ended()) === 401);
    await stranger.getByRole("button", { name: "Sign out" }).click();
    await stranger.getByRole("heading", { name: "Sign in" }).waitFor();
    await stranger.context().close();
  });

  test("resources are made, revealed and changed", async () => {
    await page.getByRole("link", { name: "Resources" }).click();
    await page.getByRole("button", { name: "Reveal the secret of core-router" }).click();
    await page.getByText("correct horse").waitFor();
    await page.getByRole("button", { name: "New resource" }).click();
    await page.getByLabel("Name").fill("edge-switch");
    await page.getByLabel("Account").fill("root");
    await page.getByRole("textbox", { name: "Secret" }).fill("battery staple");
    expect(await violationsOf(page)).toEqual([]);
    await page.getByRole("button", { name: "Save" }).dblclick();
    const edit = page.getByRole("button", { name: "Edit edge-switch" });
    await edit.press("Enter");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("edge-switch-1");
    await page.getByLabel("Account").fill("operator");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("cell", { name: "operator" }).waitFor();
    expect(await page.getByRole("rowheader").allInnerTexts()).toEqual(["core-router", "edge-switch-1"]);
    await expect.poll(() => page.evaluate("document.activeElement.textContent")).toBe("Edit edge-switch-1");
  });

  test("a secret is replaced after a question, and the old one is not shown as the new one", async () => {
    await page.getByRole("button", { name: "Reveal the secret of edge-switch-1" }).click();
    await page.getByText("battery staple").waitFor();
    await page.getByRole("button", { name: "Edit edge-switch-1" }).click();
    const replace = page.getByRole("button", { name: "Replace the secret by a new one" });
    await replace.press("Enter");
    expect(await page.getByRole("dialog").innerText()).toContain("is lost");
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.getByText("battery staple").waitFor();
    await replace.click();
    await page.getByRole("button", { name: "Replace it" }).click();
    await page.getByText("battery staple").waitFor({ state: "hidden" });
    await page.getByLabel("Search").fill("core");
    await expect.poll(() => page.getByRole("rowheader").allInnerTexts()).toEqual(["core-router"]);
    expect(await violationsOf(page)).toEqual([]);
  });

  test("one's own password is changed on its page, and the session goes on", async () => {
    await page.getByRole("link", { name: "Account of ada" }).click();
    const type = async (current: string, next: string, again = next) => {
      await page.getByLabel("Current password").fill(current);
      await page.getByLabel("New password (").fill(next);
      await page.getByLabel("New password again").fill(again);
      await page.keyboard.press("Enter");
    };
    await type("guessed", "correct horse battery");
    await page.getByRole("alert").getByText("The current password is another one.").waitFor();
    await type(password, "correct horse battery", "correct horse batteries");
    await page.getByRole("alert").getByText("typed in two ways").waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await type(password, "correct horse battery");
    await page.getByRole("status").getByText("The password is changed.").waitFor();
    const old = await primary.send("POST", "/api/session", { name: "ada", password }, { authorization: "" });
    expect(old.status).toBe(401);
    password = "correct horse battery";
  });

  test("a resource is deleted after a question, by keyboard, and the audit tells of it", async () => {
    await page.getByRole("link", { name: "Resources" }).click();
    await page.getByRole("button", { name: "Edit edge-switch-1" }).press("Enter");
    const ask = page.getByRole("button", { name: "Delete", exact: true });
    await ask.press("Enter");
    expect(await page.getByRole("dialog").innerText()).toContain("Delete edge-switch-1?");
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await ask.press("Enter");
    await page.getByRole("button", { name: "Delete it" }).press("Enter");
    await page.getByRole("status").getByText("edge-switch-1 is deleted.").waitFor();
    await expect.poll(() => page.getByRole("rowheader").allInnerTexts()).toEqual(["core-router"]);
    await expect.poll(() => page.evaluate("document.activeElement.textContent")).toBe("Resources");
    const { items } = (await primary.send("GET", "/api/audit?operation=resource.delete")).body as {
      items: object[];
    };
    expect(items).toMatchObject([{ actor: "ada", objectName: "edge-switch-1", outcome: "success" }]);
  });

  test("the audit has a tab for each kind, and in each one for each server", async () => {
    await page.getByRole("link", { name: "Audit" }).click();
    await page.getByRole("cell", { name: "resource.reveal" }).first().waitFor();
    await page.getByRole("link", { name: "User" }).click();
    await page.getByRole("cell", { name: "session.sign-in" }).first().waitFor();
    await page.getByRole("navigation", { name: "Server" }).getByRole("link", { name: "Secondary" }).click();
    await page.getByRole("cell", { name: "vera" }).first().waitFor();
    expect(new URL(page.url()).pathname).toBe("/audit/user/secondary");
    await page.reload();
    await page.getByRole("cell", { name: "vera" }).first().waitFor();
    await page.getByRole("link", { name: "Task" }).click();
    await page.getByRole("navigation", { name: "Server" }).getByRole("link", { name: "Read-only" }).click();
    await page.getByRole("cell", { name: "server.start" }).first().waitFor();
    expect(await violationsOf(page)).toEqual([]);
  });

  test("transitions are shown with their evidence, step by step", async () => {
    await page.getByRole("link", { name: "Transitions" }).click();
    await page.getByText("promote CHG-1042").click();
    for (const text of ["ada@bridge", "0.287 s", "switch-over", "standby, timeline 2, 0/300B000"])
      await page.getByText(text).waitFor();
    expect(await violationsOf(page)).toEqual([]);
  });

  test("every page fits a phone, and is readable in the dark", async () => {
    const { cookies } = await page.context().storageState();
    const size = { width: 390, height: 844 };
    const phone = await openPage(browser, primary, { viewport: size, colorScheme: "dark" });
    await phone.context().addCookies(cookies);
    for (const path of [
      "/high-availability",
      "/resources",
      "/audit/user/secondary",
      "/transitions",
      "/account",
    ]) {
      await visit(phone, path);
      await phone.getByRole("heading", { level: 1 }).waitFor();
      await phone.locator("article, td, summary, form").first().waitFor();
      expect([path, await overflowOf(phone), await violationsOf(phone)]).toEqual([path, 0, []]);
    }
    await phone.context().close();
  });

  test("the read-only server alone shows all of it, reveals, and says why it changes nothing", async () => {
    page = await openPage(browser, readOnly);
    await signIn(page, "ada", password);
    primary.signal("SIGKILL");
    secondary.signal("SIGKILL");
    await world.postgres.docker("kill", "shared");
    for (const name of ["Primary server", "Secondary server", "Shared database"])
      await inactiveIn(name).waitFor();
    for (const name of ["Read-only server", "Read-only database"]) await activeIn(name).waitFor();
    await page.getByText(/^No database accepts writes/).waitFor();
    const next = page.getByRole("region", { name: "What to do next" });
    expect(await next.innerText()).toMatch(
      /Do not promote by hand[\s\S]*pulumi config set transition promote/,
    );
    // How the shared database ended only its engine tells.
    expect(await page.getByRole("region", { name: "Preflight of promote" }).innerText()).toMatch(
      /cannot be said from here as observed at \d[\s\S]*whether shared runs[\s\S]*allowDataLoss[\s\S]*asks again/,
    );
    await page.reload();
    await inactiveIn("Shared database").waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await keepPicture(page, "read-only-continuity");
    await page.getByRole("link", { name: "Resources" }).click();
    await page.getByRole("button", { name: "Reveal the secret of core-router" }).click();
    await page.getByText("correct horse").waitFor();
    await page.getByRole("button", { name: "Edit core-router" }).click();
    await page.getByLabel("Account").fill("nobody");
    await page.getByRole("button", { name: "Save" }).click();
    await page
      .getByRole("alert")
      .getByText(/read-only|writable/i)
      .waitFor();
  });

  test("a promotion is seen: the read-only server acts as primary, and the way back is shown", async () => {
    await page.getByRole("link", { name: "High availability" }).click();
    await inactiveIn("Shared database").waitFor();
    const took = await shownAfter(
      () => world.postgres.sql("read-only", "select pg_promote()"),
      () => tile("Read-only database").getByText("accepts writes").waitFor(),
    );
    expect(took).toBeLessThan(2000);
    await tile("Read-only server").getByText("acting primary").waitFor();
    await page.getByRole("region", { name: "Verdict" }).getByText("promoted", { exact: true }).waitFor();
    const next = page.getByRole("region", { name: "What to do next" });
    await next.getByText(/pulumi config set transition restore/).waitFor();
    const preflight = page.getByRole("region", { name: "Preflight of restore" });
    await preflight.getByText("cannot be said from here").waitFor();
    await preflight.getByText(/^whether shared runs/).waitFor();
  });

  test("a page that hears nothing says that it is old", async () => {
    await page.getByRole("link", { name: "High availability" }).click();
    await activeIn("Read-only server").waitFor();
    readOnly.signal("SIGSTOP");
    await page
      .getByRole("alert")
      .getByText(/what is shown here is old/)
      .waitFor();
    readOnly.signal("SIGCONT");
    await expect.poll(() => page.getByRole("alert").count(), { timeout: 15_000 }).toBe(0);
  });
});
