import { expect, it } from "vitest";
import { silentHosts } from "../../scripts/heal/silentHosts.ts";
import { topologyOf } from "../support/fixtures.ts";

it("an engine that does not answer is named, with the reason", async () => {
  const docker = "unix:///nowhere/docker.sock";
  const topology = topologyOf({ hosts: { gone: { docker, address: "127.0.0.1" } } });
  expect(await silentHosts(topology)).toEqual([
    { host: topology.hosts[0], reason: expect.stringContaining("ENOENT") },
  ]);
});
