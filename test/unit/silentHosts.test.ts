import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { silentHosts } from "../../scripts/heal/silentHosts.ts";
import { topologyOf } from "../support/fixtures.ts";

let folder = "";
let silent: Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pg-continuity-silent-"));
  // Takes every connection and never says a word, as a host that has vanished.
  silent = createServer();
  await new Promise<void>((resolve) => silent.listen(join(folder, "docker.sock"), resolve));
});
afterAll(async () => {
  silent.close();
  rmSync(folder, { recursive: true });
});

it("an engine that does not answer is named, with the reason", async () => {
  const docker = "unix:///nowhere/docker.sock";
  const topology = topologyOf({ hosts: { gone: { docker, address: "127.0.0.1" } } });
  expect(await silentHosts(topology)).toEqual([
    { host: topology.hosts[0], reason: expect.stringContaining("ENOENT") },
  ]);
});

it("one that says nothing at all is waited for five seconds, and hardly any more right after that", async () => {
  const docker = `unix://${join(folder, "docker.sock")}`;
  const topology = topologyOf({ hosts: { vanished: { docker, address: "127.0.0.1" } } });
  for (const seconds of [5, 0.5]) {
    const startedAt = performance.now();
    expect(await silentHosts(topology)).toEqual([
      { host: topology.hosts[0], reason: `no answer within ${seconds} s` },
    ]);
    expect((performance.now() - startedAt) / 1000).toBeLessThan(seconds + 1);
  }
}, 20_000);
