import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { findOnPath, projectFolder } from "../../scripts/setup/paths.ts";

/** Where the pictures of the documentation go; only when they are asked for, so that a run leaves nothing behind. */
const pictureFolder = process.env.DOCS_PICTURES === "1" ? join(projectFolder, "docs", "images") : null;

/** What axe found wrong with a page, a line each. */
export type Violation = string;

/** The distribution's Chromium. */
export async function launchBrowser(): Promise<Browser> {
  const [executablePath] = findOnPath("chromium");
  if (executablePath === undefined)
    throw new Error('chromium is not installed: run "npm test", which installs it');
  // Without its own sandbox, because tests run as root in containers; it only opens pages of this project.
  return await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** A page of a server on this machine in a context of its own: nobody is signed in, nothing is cached. */
export async function openPage(
  browser: Browser,
  server: { readonly port: number },
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext({
    baseURL: `https://127.0.0.1:${server.port}`,
    ignoreHTTPSErrors: true,
    locale: "en-GB",
    timezoneId: "UTC",
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(15_000);
  return await context.newPage();
}

/**
 * Opens a page. Once more where Chromium gave up because a network interface of the machine came or went, as those of
 * containers do all the time.
 */
export async function visit(page: Page, path: string): Promise<void> {
  try {
    await page.goto(path);
  } catch (error) {
    if (!(error instanceof Error && error.message.includes("ERR_NETWORK_CHANGED"))) throw error;
    await page.goto(path);
  }
}

/** Signs in by the form, as a person does. */
export async function signIn(page: Page, name: string, password: string): Promise<void> {
  await visit(page, "/");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "High availability" }).waitFor();
}

/** Runs axe on what is shown. */
export async function violationsOf(page: Page): Promise<readonly Violation[]> {
  const require = createRequire(import.meta.url);
  const { source } = require("axe-core") as { source: string };
  // Not by a script element: the page's policy allows none but its own.
  await page.evaluate(source);
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run: () => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  });
}

/** How many pixels the page is wider than its window. */
export async function overflowOf(page: Page): Promise<number> {
  // As text: the types of a browser are not known here.
  return await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
}

/** Keeps a picture for the documentation, if it was asked for. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  if (pictureFolder === null) return;
  await mkdir(pictureFolder, { recursive: true });
  await page.screenshot({ path: join(pictureFolder, `${name}.png`), fullPage: true });
}
