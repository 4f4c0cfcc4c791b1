import type { Browser, BrowserContextOptions } from "playwright-core";
import { openPage, visit } from "./browser.ts";

type Cookies = Exclude<NonNullable<BrowserContextOptions["storageState"]>, string>["cookies"];

/** One load of the page High availability by somebody who is signed in and has nothing cached. */
export interface ColdLoad {
  /** From the address to the last tile, as a person at the browser sees it. */
  readonly seconds: number;
  /** Where the time went, in its order. */
  readonly parts: readonly { readonly name: string; readonly seconds: number }[];
}

/** Times of the browser's own, in milliseconds of its clock. */
interface Moments {
  readonly origin: number;
  readonly connected: number;
  readonly document: number;
  readonly assets: number;
  readonly session: number;
}

// As text: the types of a browser are not known here.
const momentsOfPage = `(() => {
  const [page] = performance.getEntriesByType("navigation");
  const ends = (pattern) => performance.getEntriesByType("resource")
    .filter(({ name }) => pattern.test(name)).map(({ responseEnd }) => responseEnd);
  return {
    origin: performance.timeOrigin,
    connected: page.connectEnd,
    document: page.responseEnd,
    assets: Math.max(...ends(/\\/assets\\//)),
    session: Math.max(...ends(/\\/api\\/session$/)),
  };
})()`;

/** Opens the page in a browser context that has never been anywhere, with the session of these cookies. */
export async function loadCold(
  browser: Browser,
  server: { readonly port: number },
  cookies: Cookies,
): Promise<ColdLoad> {
  const page = await openPage(browser, server);
  try {
    await page.context().addCookies(cookies);
    const startedAt = Date.now();
    await visit(page, "/high-availability");
    await page.getByRole("article", { name: "Read-only database" }).waitFor();
    const endedAt = Date.now();
    const { origin, ...moments } = await page.evaluate<Moments>(momentsOfPage);
    const after = (milliseconds: number) => origin + milliseconds;
    const ends: readonly [name: string, end: number][] = [
      ["the browser before it asks", origin],
      ["connection, TLS", after(moments.connected)],
      ["document", after(moments.document)],
      ["script and styles", after(moments.assets)],
      ["React, who is signed in", after(moments.session)],
      ["first overview, drawn", endedAt],
    ];
    const parts = ends.map(([name, end], index) => ({
      name,
      seconds: (end - (ends[index - 1]?.[1] ?? startedAt)) / 1000,
    }));
    return { seconds: (endedAt - startedAt) / 1000, parts };
  } finally {
    await page.context().close();
  }
}
