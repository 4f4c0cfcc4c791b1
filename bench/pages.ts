import { launchBrowser, openPage, signIn } from "../test/support/browser.ts";
import { loadCold } from "../test/support/coldLoad.ts";
import { ServerWorld } from "../test/support/serverWorld.ts";
import type { Suite } from "./suite.ts";
import { medianParts, repeat } from "./timing.ts";

const targetSeconds = 1;
/** One load takes half a second: more of them than of other things. */
const loadsPerRun = 4;

/** The page High availability in Chromium from a cold cache, by one of three servers with two databases on this machine. */
export const pages: Suite = {
  name: "pages",
  description: "the page High availability from a cold cache until it is usable",
  async run({ runs, say }) {
    await using world = await ServerWorld.create("bench");
    const primary = await world.start("primary");
    await world.start("secondary");
    await world.start("read-only");
    const { body } = await primary.send("POST", "/api/setup", { name: "bench" });
    await using browser = await launchBrowser();
    const page = await openPage(browser, primary);
    await signIn(page, "bench", String(body.password));
    const { cookies } = await page.context().storageState();
    await page.context().close();
    const timings = await repeat(runs * loadsPerRun, () => loadCold(browser, primary, cookies));
    const seconds = timings.map((timing) => timing.seconds);
    say(`the slowest of ${seconds.length} took ${Math.max(...seconds).toFixed(2)} s`);
    return [
      {
        what: "page from a cold cache until it is usable",
        seconds,
        targetSeconds,
        parts: medianParts(timings),
      },
    ];
  },
};
