import { readFileSync } from "node:fs";
import { execa } from "execa";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { projectFolder } from "../../scripts/setup/paths.ts";
import type { Overview } from "../../server/overview/schema.ts";
import { launchBrowser, openPage, overflowOf, signIn, violationsOf } from "../support/browser.ts";
import { Deployment } from "../support/deployment.ts";
import { canRunEngine } from "../support/engine.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { secretsOf } from "../support/secrets.ts";
import { filesOf, leaksOf, withPlanted } from "../support/supportBundle.ts";
import { transition } from "../support/transition.ts";
import { cutOff, lose, reconnect } from "../support/transitionFaults.ts";

// One story, told in order, on the deployment that the test files share.
describe.sequential("the web pages of a deployment", { timeout: 120_000 }, () => {
  let deployment: Deployment;
  let nodes: Nodes;
  let browser: Browser;
  let page: Page;
  let account = "";
  const name = `browser-${Date.now()}`;

  beforeAll(async () => {
    [deployment, browser] = await Promise.all([Deployment.shared(), launchBrowser()]);
    nodes = await Nodes.of(deployment);
    const body = { name, role: "administrator" };
    const made = await nodes.request("gateway", "/api/accounts", { method: "POST", body });
    const { account: created, password } = JSON.parse(made.body) as {
      account: { id: string };
      password: string;
    };
    account = created.id;
    page = await openPage(browser, { port: deployment.ports["read-only-server"] });
    await eventually("the account is replicated", async () => {
      const found = `select 1 from vault.accounts where id = '${account}'`;
      return (await nodes.sql("read-only-database", found, "vault")) === "1";
    });
    await signIn(page, name, password);
  });
  afterAll(async () => {
    await browser?.close();
    if (account !== "") await nodes.request("gateway", `/api/accounts/${account}`, { method: "DELETE" });
  });
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      console.log(await page?.locator("body").innerText().catch(String));
      console.log((await nodes.log("read-only-server")).slice(-3000));
    });
  });

  const tile = (label: string): Locator => page.getByRole("article", { name: label });
  const isActive = (label: string) => tile(label).getByText("Active", { exact: true });
  const isInactive = (label: string) => tile(label).getByText("Inactive", { exact: true });
  const verdict = () => page.getByRole("region", { name: "Verdict" });
  const likely = (label: string) => tile(label).getByText(/^Likely cause:/);
  const causesOf = (label: string) => tile(label).getByRole("heading", { level: 4 });

  /** What the page calls likely until it is this. */
  async function calledLikely(label: string, cause: string): Promise<ReadonlySet<string>> {
    const seen = new Set<string>();
    const look = async () => {
      const [, text = ""] = (await likely(label).innerText()).split("Likely cause: ");
      seen.add(text);
      return text;
    };
    await expect.poll(look, { interval: 20, timeout: 10_000 }).toBe(cause);
    return seen;
  }

  test("a container that is killed is shown within two seconds; its tile opens to the causes, by keyboard", async () => {
    await page.getByText("Everything is as declared.").waitFor();
    await nodes.docker("kill", nodes.container("secondary-server"));
    const startedAt = performance.now();
    await isInactive("Secondary server").waitFor();
    expect(performance.now() - startedAt).toBeLessThan(2000);
    // What the others said of it before it was killed does not count.
    expect(await calledLikely("Secondary server", "The service does not run")).not.toContain(
      "The network between the nodes",
    );
    const causes = causesOf("Secondary server");
    expect(await causes.count()).toBe(0);
    await likely("Secondary server").focus();
    await page.keyboard.press("Enter");
    await expect
      .poll(() => causes.allInnerTexts())
      .toEqual([
        "The service does not run likely",
        "The database or its replication ruled out",
        "The network between the nodes not known",
      ]);
    expect(await tile("Secondary server").innerText()).toMatch(/The primary server does not reach it either/);
    expect(await violationsOf(page)).toEqual([]);
    await page.setViewportSize({ width: 390, height: 844 });
    expect([await overflowOf(page), await violationsOf(page)]).toEqual([0, []]);
    await page.setViewportSize({ width: 1280, height: 720 });
  });

  test("the first command that it names helps", async () => {
    const command = await tile("Secondary server").locator(".causes code").first().innerText();
    const [program = "", ...args] = command.split(" ");
    await execa(program, args, { env: { DOCKER_HOST: nodes.engineUrl } });
    await isActive("Secondary server").waitFor();
    await page.getByText("Everything is as declared.").waitFor();
    expect(await likely("Secondary server").count()).toBe(0);
  });

  test("one that was cut off the network is told from one that has ended, and the commands that it names heal it", async ({
    onTestFailed,
  }) => {
    onTestFailed(() => reconnect(nodes, "secondary-server"));
    await cutOff(nodes, "secondary-server");
    await isInactive("Secondary server").waitFor();
    expect(await calledLikely("Secondary server", "The network between the nodes")).not.toContain(
      "The service does not run",
    );
    await likely("Secondary server").click();
    expect(await causesOf("Secondary server").allInnerTexts()).toEqual([
      "The service does not run not known",
      "The database or its replication ruled out",
      "The network between the nodes likely",
    ]);
    const network = tile("Secondary server").locator(".causes > li").last();
    for (const text of [
      "Checked: Whom this server reaches, whom the other servers reach, and how it fell silent.",
      "It fell silent over a connection that nobody has closed, and takes no new one.",
      "This server reaches the primary server, the shared database, the read-only database, the gateway.",
      "an up makes a missing network again and connects what is not",
    ])
      expect(await network.innerText()).toContain(text);
    const typed = async (command: string) => {
      const [program = "", ...args] = command.split(" ");
      const options = { cwd: projectFolder, env: deployment.environment, extendEnv: false };
      const { exitCode, all } = await execa(program, args, { ...options, reject: false, all: true });
      return [exitCode, all];
    };
    const [tells = "", heals = ""] = await network.locator("code").allInnerTexts();
    expect(await typed(tells)).toEqual([
      3,
      expect.stringContaining(`its container is not connected to the network ${nodes.network}`),
    ]);
    expect(await typed(heals)).toEqual([0, expect.stringContaining("healed: ")]);
    await isActive("Secondary server").waitFor();
    await page.getByText("Everything is as declared.").waitFor();
  });

  test.runIf(canRunEngine)(
    "a way that is cut between two of them is named by its ends",
    async ({ onTestFinished }) => {
      const heal = [
        await lose(nodes, "read-only-server", "secondary-server"),
        await lose(nodes, "secondary-server", "shared-database", "read-only-database"),
      ];
      const healed = async () => {
        for (const one of heal.splice(0)) await one();
      };
      onTestFinished(healed);
      // From the read-only server it is not reached; the primary server reaches it, and hears whom it misses.
      await isInactive("Secondary server").waitFor();
      expect(await calledLikely("Secondary server", "The network between the nodes")).not.toContain(
        "The service does not run",
      );
      await tile("Secondary server")
        .getByText("The primary server reaches it.")
        .first()
        .waitFor({ state: "attached" });
      const seen = await eventually("the primary server tells of it", async () => {
        const { body } = await nodes.request("primary-server", "/api/high-availability");
        const { servers, databases } = JSON.parse(body) as Overview;
        const secondary = servers.find(({ name }) => name === "secondary");
        const missed = databases.map(({ reachedBy }) => reachedBy.map(({ reachable }) => reachable));
        return secondary?.active === false && { causes: secondary.causes, missed };
      });
      expect(seen.missed).toEqual([
        [true, false, true],
        [true, false, true],
      ]);
      expect(seen.causes?.likely).toBe("network");
      expect(seen.causes?.causes.map(({ name, verdict }) => [name, verdict])).toEqual([
        ["service", "ruled out"],
        ["replication", "ruled out"],
        ["network", "likely"],
      ]);
      expect(seen.causes?.causes[2]?.evidence).toEqual([
        "It does not reach the shared database.",
        "It does not reach the read-only database.",
        "Others reach the shared database.",
        "Others reach the read-only database.",
      ]);
      await healed();
      await isActive("Secondary server").waitFor();
      await page.getByText("Everything is as declared.").waitFor();
    },
  );

  test("an administrator downloads a support bundle: no secret is in it, and the audit tells of it", async () => {
    const secrets = await secretsOf(deployment);
    // Of what a person wrote somewhere a server can only take out the secrets that it knows itself.
    const its = /-login-(application|migration)|-encryption-key|-certificate-read-only-server/;
    // Nor those that were in use before a rotation.
    const former = [...secrets.keys()]
      .filter((secret) => secret.includes("-encryption-key"))
      .sort()
      .slice(0, -1);
    const known = new Map([...secrets].filter(([secret]) => its.test(secret) && !former.includes(secret)));
    expect(known.size).toBeGreaterThanOrEqual(4);
    const files = await withPlanted(nodes, known, async () => {
      const downloading = page.waitForEvent("download");
      await page.getByRole("button", { name: "Download a support bundle" }).click();
      const download = await downloading;
      expect(await download.failure()).toBeNull();
      expect(download.suggestedFilename()).toMatch(/^support-bundle-test-.*-read-only-server-.*Z\.tar\.gz$/);
      return filesOf(readFileSync(await download.path()));
    });
    expect([...files.keys()].sort()).toEqual([
      ...["configuration.json", "databases/read-only/seen.json", "databases/read-only/settings.json"],
      ...["databases/shared/seen.json", "databases/shared/settings.json", "health.json"],
      ...["high-availability.json", "lag-history.json", "log.txt", "manifest.json", "transitions.json"],
      ...["versions.json", "witness.json"],
    ]);
    expect(files.get("log.txt")).toContain('"msg":"listening"');
    expect(files.get("transitions.json")).toContain("[removed]");
    expect(leaksOf(files, secrets)).toEqual([]);
    const audit = await eventually("the event is there", async () => {
      const answer = await nodes.request("gateway", "/api/audit?operation=support.download&limit=1");
      return (JSON.parse(answer.body) as { items: { actor: string }[] }).items[0];
    });
    expect(audit).toMatchObject({ actor: name, object: "read-only", outcome: "success" });
  });

  test("a promote and a restore are seen as they happen, and everything is as before", async () => {
    const promoting = transition(deployment, "promote", "BROWSER-1");
    await tile("Read-only server").getByText("acting primary").waitFor({ timeout: 60_000 });
    expect((await promoting).exitCode).toBe(0);
    await verdict().getByText("promoted", { exact: true }).waitFor();
    await verdict().getByText("The read-only server is the acting primary.").waitFor();
    await tile("Read-only database").getByText("accepts writes").waitFor();
    // The verdict on the way back, and each step of it, is that of the preview.
    const preflight = page.getByRole("region", { name: "Preflight of restore" });
    await preflight.getByText("can run, no write is lost").waitFor();
    const { exitCode, all } = await transition(deployment, "restore", "BROWSER-2", "--dry-run");
    const steps = [...String(all).matchAll(/^ +\d\. (.+) \[(.+)\]$/gm)].map(
      ([, text, cost]) => `${text} (${cost})`,
    );
    expect([exitCode, steps.length]).toEqual([0, 2]);
    expect(await preflight.locator("ol li").allInnerTexts()).toEqual(steps);
    expect(await violationsOf(page)).toEqual([]);
    const restoring = transition(deployment, "restore", "BROWSER-2");
    await verdict().getByText("normal", { exact: true }).waitFor({ timeout: 60_000 });
    expect((await restoring).exitCode).toBe(0);
    await tile("Shared database").getByText("accepts writes").waitFor();
    await page.getByText("Everything is as declared.").waitFor();
    await page.getByRole("link", { name: "Transitions" }).click();
    for (const id of ["promote BROWSER-1", "restore BROWSER-2"]) await page.getByText(id).first().waitFor();
    await healthy(deployment, 60);
  });
});
