import { describe, expect, it } from "vitest";
import { containerLimits, megabytesOf } from "../../core/resourceLimits.ts";
import { registerDeployment } from "../support/mocks.ts";

it.each([
  ["128MB", 128],
  ["1GB", 1024],
  ["16384", 128],
  [" 256 MB ", 256],
  ["half", undefined],
])("shared buffers of %s in megabytes", (text, megabytes) => {
  expect(megabytesOf(text)).toBe(megabytes);
});

describe("limits of containers", () => {
  it("none where none is given: no container that runs without is replaced", () => {
    expect(containerLimits({})).toEqual({ inputs: {}, label: undefined });
  });

  it("a limit that can be changed live cannot be taken away live: its label says that it is there, not how much", () => {
    const label = (limits: Parameters<typeof containerLimits>[0]) => containerLimits(limits).label;
    expect(label({ memoryMegabytes: 512 })).toBe(label({ memoryMegabytes: 1024 }));
    expect(label({ memoryMegabytes: 512, cpuShares: 10 })).not.toBe(label({ memoryMegabytes: 512 }));
    // Any change of it replaces the container by itself.
    expect(label({ cpus: 2 })).toBeUndefined();
  });

  it("reach one's own applications, and none but them", async () => {
    const application = { image: "registry.test/own:1", port: 8080 };
    const resources = { application: { memoryMegabytes: 64, cpus: 0.5 } };
    const limited = (await registerDeployment({ application, resources })).flatMap(
      ({ type, name, inputs: { memory, cpus } }) =>
        type === "docker:index/container:Container" && memory !== undefined ? [[name, memory, cpus]] : [],
    );
    expect(limited.sort()).toEqual(
      ["primary", "read-only", "secondary"].map((server) => [`${server}-application`, 64, "0.5"]),
    );
  });

  it("give the databases four times the processors of any other container where those are short, unless told otherwise", async () => {
    const shares = (await registerDeployment({ resources: { server: { cpus: 2 } } })).flatMap(
      ({ type, name, inputs: { cpuShares } }) =>
        type === "docker:index/container:Container" && cpuShares !== undefined ? [[name, cpuShares]] : [],
    );
    expect(shares.sort()).toEqual([
      ["read-only-database", 4096],
      ["shared-database", 4096],
    ]);
  });

  it("reach the containers of their kind", async () => {
    const resources = { database: { memoryMegabytes: 512, cpuShares: 512 }, server: { cpus: 1.5 } };
    const containers = (await registerDeployment({ resources })).filter(
      ({ type }) => type === "docker:index/container:Container",
    );
    const limits = containers.map(({ name, inputs: { memory, memorySwap, cpuShares, cpus } }) => [
      name,
      { memory, memorySwap, cpuShares, cpus },
    ]);
    const database = { memory: 512, memorySwap: 512, cpuShares: 512 };
    expect(Object.fromEntries(limits)).toEqual({
      "shared-database": database,
      "read-only-database": database,
      "primary-server": { cpus: "1.5" },
      "secondary-server": { cpus: "1.5" },
      "read-only-server": { cpus: "1.5" },
      gateway: {},
    });
  });
});
