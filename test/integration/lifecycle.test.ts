import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectEngine } from "../../scripts/docker/engine.ts";
import { Deployment } from "../support/deployment.ts";
import { eventually, Nodes } from "../support/nodes.ts";
import { ReadProbe } from "../support/readProbe.ts";
import { localEngine } from "../support/run.ts";

/** What the engine has of a stack. */
async function ofStack(stack: string) {
  const engine = connectEngine(localEngine);
  const filters = { label: [`pg-continuity.stack=${stack}`] };
  const [containers, networks, { Volumes: volumes }, images] = await Promise.all([
    engine.listContainers({ all: true, filters }),
    engine.listNetworks({ filters }),
    engine.listVolumes({ filters }),
    engine.listImages({ filters }),
  ]);
  return { containers, networks, volumes: volumes ?? [], images };
}

/** How much that is, by kind. */
async function leftovers(stack: string): Promise<Readonly<Record<string, number>>> {
  const found = Object.entries(await ofStack(stack));
  return Object.fromEntries(found.map(([kind, all]) => [kind, all.length]));
}

/** Everything of a stack that there can be only one of on a host: names, and addresses with their ports. */
async function held(stack: string): Promise<readonly string[]> {
  const { containers, networks, volumes, images } = await ofStack(stack);
  return [
    ...containers.flatMap(({ Names, Ports }) => [
      ...Names.map((name) => `container ${name}`),
      ...Ports.flatMap(({ IP, PublicPort }) => (PublicPort ? [`port ${IP}:${PublicPort}`] : [])),
    ]),
    ...networks.flatMap(({ Name, IPAM }) => [
      `network ${Name}`,
      ...(IPAM?.Config ?? []).map(({ Subnet }) => `subnet ${Subnet}`),
    ]),
    ...volumes.map(({ Name }) => `volume ${Name}`),
    ...images.flatMap(({ RepoTags }) => RepoTags ?? []).map((tag) => `image ${tag}`),
  ].sort();
}

// One story, told in order: each test begins where the one before has ended.
describe.sequential("a stack's life", () => {
  let deployment: Deployment;
  let nodes: Nodes;
  let id = "";
  /** Another stack on the same host. */
  let other: Deployment;
  let otherNodes: Nodes;

  beforeAll(async () => {
    other = await Deployment.shared();
    otherNodes = await Nodes.of(other);
    deployment = await Deployment.create("life");
  });
  afterAll(async () => {
    await deployment[Symbol.asyncDispose]();
  });

  it("does not begin where another stack has its ports, or somebody else what it would be called", async () => {
    const { ports } = deployment;
    const volume = `pg-continuity-${deployment.stack}-shared-database-data`;
    deployment.configure({ ports: other.ports });
    await otherNodes.docker("volume", "create", volume);
    try {
      const { exitCode, all } = await deployment.up();
      expect([exitCode, all]).toEqual([1, expect.stringContaining("8 problems, nothing was changed:")]);
      for (const [node, port] of [
        ["gateway", other.ports.gateway],
        ["shared-database", other.ports["shared-database"]],
      ] as const)
        expect(all).toContain(
          `pg-continuity:ports.${node}: ${port} is taken on host local by container ${otherNodes.container(node)}. Free it, or choose another:`,
        );
      expect(all).toContain(`host local: has a volume named ${volume} that does not belong to this stack.`);
      expect(await held(deployment.stack)).toEqual([]);
    } finally {
      await otherNodes.docker("volume", "rm", volume);
      deployment.configure({ ports });
    }
  });

  it("does not begin under the name of a stack that another state knows: every preview and up says so", async () => {
    const starts = await otherNodes.starts();
    const elsewhere = { PULUMI_BACKEND_URL: `file://${deployment.folder}/backend` };
    const before = await held(other.stack);
    const up = await other.script("scripts/up.ts", [], elsewhere);
    const said = `host local: REFUSED: has a stack named ${other.stack} already, of which this state knows nothing (container pg-continuity-${other.stack}-`;
    expect([up.exitCode, up.all]).toEqual([1, expect.stringContaining(said)]);
    const preview = await other.script("scripts/preview.ts", [], elsewhere);
    expect([preview.exitCode, preview.all]).toEqual([3, expect.stringContaining(said)]);
    const plain = await other.pulumi(["up", "--yes", "--skip-preview"], elsewhere);
    expect([plain.exitCode, plain.all]).toEqual([expect.any(Number), expect.stringContaining(said)]);
    expect(plain.exitCode).not.toBe(0);
    expect([await held(other.stack), await otherNodes.starts()]).toEqual([before, starts]);
    await other.pulumi(["stack", "rm", "--yes", "--force", "--preserve-config"], elsewhere);
  });

  it("begins with up, which proves that the main job works and ends with the status", async () => {
    const { exitCode, all, stdout } = await deployment.up();
    expect([exitCode, all]).toEqual([0, expect.stringContaining("Resources:")]);
    for (const check of [
      // The first server that is ready; not yet the primary one on a busy machine.
      /ok {5}store a resource through the gateway: served by (primary|secondary)/,
      "ok     read it back through the primary server: from database shared",
      "ok     read it back through the secondary server: from database shared",
      "ok     read it back through the read-only server: from database read-only",
      "ok     delete it again: it is gone again",
      "ok     replicate to the read-only database: streaming, over TLS, slot read_only in use",
    ])
      expect(all).toEqual(
        typeof check === "string" ? expect.stringContaining(check) : expect.stringMatching(check),
      );
    expect(JSON.parse(stdout)).toMatchObject({ stack: deployment.stack, verdict: "ok" });
    expect(await leftovers(deployment.stack)).toEqual({ containers: 6, networks: 1, volumes: 8, images: 3 });
    nodes = await Nodes.of(deployment);
    id = await nodes.store("kept", "a secret that outlives its containers");
  });

  it("stands beside another stack: both serve, and have no name, port or subnet in common", async () => {
    const [own, others] = await Promise.all([held(deployment.stack), held(other.stack)]);
    expect([own.length > 20, others.length > 20]).toEqual([true, true]);
    expect(own.filter((one) => others.includes(one))).toEqual([]);
    const theirs = await otherNodes.store("in the other stack", "another secret");
    expect(await otherNodes.reveal("gateway", theirs)).toBe("another secret");
    expect(await nodes.reveal("gateway", id)).toBe("a secret that outlives its containers");
    // Neither knows what the other has, nor whom it trusts.
    expect(await nodes.reveal("gateway", theirs)).toMatch(/^404 /);
    const { adminToken } = nodes.stack;
    expect((await otherNodes.knowing({ adminToken }).request("gateway", "/api/resources")).status).toBe(401);
    const { caCertificate } = nodes.stack.access;
    await expect(otherNodes.knowing({ caCertificate }).request("gateway", "/healthz")).rejects.toThrow(
      /certificate/,
    );
  });

  it("a reloadable parameter is applied live: nothing is replaced, nothing restarted", async () => {
    await nodes.sql("shared-database", "SHOW work_mem").then((value) => expect(value).toBe("4MB"));
    const before = await nodes.starts();
    deployment.configure({ postgresParameters: { work_mem: "7MB" } });
    const { exitCode, all } = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
    expect([exitCode, all]).toEqual([0, expect.stringMatching(/~ 2 updated/)]);
    for (const database of ["shared-database", "read-only-database"])
      await eventually(
        `${database} has it`,
        async () => (await nodes.sql(database, "SHOW work_mem")) === "7MB",
        5,
      );
    expect(await nodes.starts()).toEqual(before);
  });

  it("another display name reaches the server live", async () => {
    const before = await nodes.starts();
    deployment.configure({ displayNames: { primary: "Vienna" } });
    const { exitCode, all } = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
    // Every server shows the names of all.
    expect([exitCode, all]).toEqual([0, expect.stringMatching(/~ 3 updated/)]);
    const { stdout } = await nodes.exec("primary-server", "cat", "/var/lib/pg-continuity/config/server.json");
    expect(JSON.parse(stdout).server.displayName).toBe("Vienna");
    expect(await nodes.starts()).toEqual(before);
  });

  it("down asks, and changes nothing without an answer", async () => {
    const { exitCode, all } = await deployment.script("scripts/down.ts");
    expect([exitCode, all]).toEqual([1, expect.stringContaining("give --yes")]);
    expect(await leftovers(deployment.stack)).toMatchObject({ containers: 6 });
  });

  it("down leaves the data and nothing else; the other stack serves all the time", async () => {
    const starts = await otherNodes.starts();
    const reads = new ReadProbe(otherNodes, "/api/resources?limit=1");
    const { exitCode, all } = await deployment.down().finally(() => reads.stop());
    expect(reads.failed).toEqual([]);
    expect(await otherNodes.starts()).toEqual(starts);
    expect([exitCode, all]).toEqual([0, expect.stringContaining("Its data, keys and passwords are kept")]);
    expect(await leftovers(deployment.stack)).toEqual({ containers: 0, networks: 0, volumes: 8, images: 0 });
  });

  it("its volumes are no other state's, whatever that calls its stack", async () => {
    const elsewhere = { PULUMI_BACKEND_URL: `file://${other.folder}/backend` };
    expect((await deployment.pulumi(["stack", "init"], elsewhere)).exitCode).toBe(0);
    const preview = await deployment.script("scripts/preview.ts", [], elsewhere);
    expect([preview.exitCode, preview.all]).toEqual([
      3,
      expect.stringContaining(
        `has a stack named ${deployment.stack} already, of which this state knows nothing (volume pg-continuity-${deployment.stack}-gateway-state and 7 more)`,
      ),
    ]);
    await deployment.pulumi(["stack", "rm", "--yes", "--force", "--preserve-config"], elsewhere);
  });

  it("a stack that is down is not as declared, and says so", async () => {
    const { exitCode, all } = await deployment.script("scripts/status.ts");
    expect([exitCode, all]).toEqual([3, expect.stringMatching(/its container does not exist/)]);
  });

  it("up brings it back with its data, and with the key that opens it", async () => {
    const { adminToken } = await deployment.deployed();
    const { exitCode, all } = await deployment.up();
    expect([exitCode, all]).toEqual([0, expect.stringContaining("Resources:")]);
    expect((await deployment.reread()).adminToken).toBe(adminToken);
    for (const server of ["gateway", "secondary-server", "read-only-server"])
      expect(await nodes.reveal(server, id)).toBe("a secret that outlives its containers");
  });

  it("a manually removed server is made again by a refresh and up", async () => {
    await nodes.docker("rm", "--force", nodes.container("secondary-server"));
    const { exitCode, all } = await deployment.pulumi(["up", "--yes", "--skip-preview", "--refresh"]);
    expect([exitCode, all]).toEqual([0, expect.stringMatching(/\+ \d+ created/)]);
    expect(
      await eventually("secondary answers", async () => {
        const secret = await nodes.reveal("secondary-server", id);
        return secret.startsWith("503") ? undefined : secret;
      }),
    ).toBe("a secret that outlives its containers");
  });

  it("down --volumes leaves nothing", async () => {
    const { exitCode, all } = await deployment.down("--volumes");
    expect([exitCode, all]).toEqual([0, expect.stringContaining("is gone, with its data")]);
    expect(await leftovers(deployment.stack)).toEqual({ containers: 0, networks: 0, volumes: 0, images: 0 });
    const { stdout } = await deployment.pulumi(["stack", "ls", "--json"]);
    expect(JSON.parse(stdout)).toEqual([]);
  });

  it("a stack that is gone is said to be gone", async () => {
    for (const script of ["scripts/status.ts", "scripts/down.ts"]) {
      const { exitCode, all } = await deployment.script(script, script.includes("down") ? ["--yes"] : []);
      expect([exitCode, all]).toEqual([
        1,
        expect.stringMatching(/there is no such stack here\. Deploy it with/),
      ]);
    }
  });
});
