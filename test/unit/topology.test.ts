import { describe, expect, it } from "vitest";
import { allNodes, endpoint, peersOf, type Topology, witnessesOf } from "../../core/topology.ts";
import { slotName } from "../../core/vocabulary.ts";
import { topologyOf, twoHosts } from "../support/fixtures.ts";

function node(topology: Topology, name: string) {
  const found = allNodes(topology).find((candidate) => candidate.node === name);
  if (!found) throw new Error(`no node ${name}`);
  return found;
}

function database(topology: Topology, name: string) {
  const found = topology.databases.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no database ${name}`);
  return found;
}

describe("models", () => {
  it.each([
    ["full", ["shared", "read-only"], ["primary", "secondary", "read-only"]],
    ["secondary", ["shared"], ["primary", "secondary"]],
    ["read-only", ["shared", "read-only"], ["primary", "read-only"]],
  ])("%s", (model, databases, servers) => {
    const topology = topologyOf({ model });
    expect(topology.model).toBe(model);
    expect(topology.databases.map(({ name }) => name)).toEqual(databases);
    expect(topology.servers.map(({ name }) => name)).toEqual(servers);
  });
});

describe("names", () => {
  it("are made of project, stack and node, and none occurs twice", () => {
    const nodes = allNodes(topologyOf());
    expect(nodes.map(({ containerName }) => containerName)).toEqual([
      "pg-continuity-unit-shared-database",
      "pg-continuity-unit-read-only-database",
      "pg-continuity-unit-primary-server",
      "pg-continuity-unit-secondary-server",
      "pg-continuity-unit-read-only-server",
      "pg-continuity-unit-gateway",
    ]);
    const volumes = [
      ...nodes.map(({ stateVolume }) => stateVolume),
      ...topologyOf().databases.map(({ dataVolume }) => dataVolume),
    ];
    expect(new Set(volumes).size).toBe(8);
    for (const volume of volumes) expect(volume).toMatch(/^pg-continuity-unit-.*-(state|data)$/);
  });

  it("of slots are what PostgreSQL takes", () => {
    expect(slotName("read-only")).toBe("read_only");
  });

  it("of servers can be chosen", () => {
    const servers = topologyOf({ displayNames: { primary: "Vienna" } }).servers;
    expect(servers.map(({ displayName }) => displayName)).toEqual([
      "Vienna",
      "Secondary server",
      "Read-only server",
    ]);
  });

  it("in certificates are all names a node is reached by, once each", () => {
    expect(node(topologyOf(), "gateway").certificateNames).toEqual([
      "gateway",
      "pg-continuity-unit-gateway",
      "localhost",
      "127.0.0.1",
    ]);
    expect(node(topologyOf(twoHosts), "read-only-database").certificateNames).toContain("10.0.0.2");
    expect(node(topologyOf(twoHosts), "read-only-database").certificateNames).not.toContain("0.0.0.0");
  });
});

describe("on one host", () => {
  const topology = topologyOf();
  it("nodes reach each other by alias and inner port", () => {
    const shared = node(topology, "shared-database");
    expect(endpoint(node(topology, "primary-server"), shared)).toEqual({
      address: "shared-database",
      port: 5432,
    });
    expect(endpoint(shared, node(topology, "gateway"))).toEqual({ address: "gateway", port: 8443 });
  });
  it("everything is published on 127.0.0.1", () => {
    for (const { published } of allNodes(topology)) expect(published.address).toBe("127.0.0.1");
  });
  it("every server is a witness", () => {
    expect(witnessesOf(topology, database(topology, "shared")).map(({ name }) => name)).toEqual([
      "primary",
      "secondary",
      "read-only",
    ]);
  });
});

describe("on several hosts", () => {
  const topology = topologyOf(twoHosts);
  it("nodes of one host use the alias, across hosts address and published port", () => {
    const readOnly = node(topology, "read-only-database");
    expect(endpoint(node(topology, "read-only-server"), readOnly)).toEqual({
      address: "read-only-database",
      port: 5432,
    });
    expect(endpoint(node(topology, "shared-database"), readOnly)).toEqual({
      address: "10.0.0.2",
      port: 5452,
    });
  });
  it("a node that is not placed runs on the first host", () => {
    expect(node(topology, "gateway").host.name).toBe("alpha");
    expect(node(topology, "read-only-server").host.name).toBe("beta");
  });
  it("the operator reaches a remote host by its address where 0.0.0.0 is published", () => {
    expect(node(topology, "gateway").published.address).toBe("10.0.0.1");
  });
  it("and by its address, too, where its engine's socket leads to another machine (a VM, a namespace)", () => {
    const beta = { docker: "unix:///run/vm/docker.sock", address: "10.0.0.2" };
    const hosts = { alpha: { docker: "unix:///var/run/docker.sock", address: "10.0.0.1" }, beta };
    expect(node(topologyOf({ ...twoHosts, hosts }), "read-only-server").published.address).toBe("10.0.0.2");
    expect(node(topologyOf({ publishedAddress: "0.0.0.0" }), "gateway").published.address).toBe("127.0.0.1");
  });
  it("a server on the database's own host is no witness", () => {
    expect(witnessesOf(topology, database(topology, "shared")).map(({ name }) => name)).toEqual([
      "read-only",
    ]);
    expect(witnessesOf(topology, database(topology, "read-only")).map(({ name }) => name)).toEqual([
      "primary",
      "secondary",
    ]);
  });
  it("a host without a node is left out, the first one stays", () => {
    const hosts = { ...twoHosts.hosts, gamma: { docker: "ssh://gamma", address: "10.0.0.3" } };
    expect(topologyOf({ ...twoHosts, hosts }).hosts.map(({ name }) => name)).toEqual(["alpha", "beta"]);
  });
});

it("statistics stay on 127.0.0.1 whatever the gateway is published on", () => {
  for (const config of [{}, twoHosts, { publishedAddress: "0.0.0.0" }])
    expect(topologyOf(config).gateway.statistics.address).toBe("127.0.0.1");
});

it("peers of a database are the others", () => {
  const topology = topologyOf();
  expect(peersOf(topology, database(topology, "shared")).map(({ name }) => name)).toEqual(["read-only"]);
  const single = topologyOf({ model: "secondary" });
  expect(peersOf(single, database(single, "shared"))).toEqual([]);
});
