import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { preflight } from "../../scripts/preflight.ts";
import { settingsOf, topologyOf } from "../support/fixtures.ts";
import { freePorts, listen } from "../support/ports.ts";

const settings = settingsOf();
const plenty = async () => 100 * 1024 ** 3;

/** An engine that answers what preflight asks, on a socket of its own. */
describe("preflight", () => {
  let folder = "";
  let engine: Server;
  type Labels = Record<string, string>;
  let containers: { Id?: string; Names: string[]; Ports: { PublicPort?: number }[]; Labels?: Labels }[] = [];
  let networks: { Name: string; Labels: Labels }[] = [];
  let volumes: { Name: string; Labels: Labels | null }[] = [];
  let ports: readonly number[] = [];
  /** What every node has been told to be. */
  let intent: object = {};

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "pg-continuity-preflight-"));
    containers = [];
    networks = [];
    volumes = [];
    ports = await freePorts(7);
    engine = createServer((request, response) => {
      if (request.url?.includes("/archive")) {
        const archive = pack();
        archive.entry({ name: "intent.json" }, `${JSON.stringify(intent)}\n`);
        archive.finalize();
        archive.pipe(response);
        return;
      }
      response.setHeader("content-type", "application/json");
      const answers: Record<string, unknown> = {
        "/info": { DockerRootDir: "/data/docker" },
        "/networks": networks,
        "/volumes": { Volumes: volumes },
      };
      response.end(
        JSON.stringify(answers[new URL(request.url ?? "", "http://engine").pathname] ?? containers),
      );
    });
    await new Promise<void>((resolve) => engine.listen(join(folder, "docker.sock"), resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => engine.close(resolve));
    rmSync(folder, { recursive: true });
  });

  const topology = (hosts = ["docker.sock"], config: Readonly<Record<string, unknown>> = {}) => {
    const names = ["gateway", "gatewayStatistics", "primary-server", "secondary-server", "read-only-server"];
    const all = [...names, "shared-database", "read-only-database"];
    return topologyOf({
      hosts: Object.fromEntries(
        hosts.map((socket, index) => [
          `host${index}`,
          { docker: `unix://${join(folder, socket)}`, address: "127.0.0.1" },
        ]),
      ),
      placement: { "read-only-database": `host${hosts.length - 1}` },
      ports: Object.fromEntries(all.map((name, index) => [name, ports[index]])),
      ...config,
    });
  };

  it("says nothing where nothing is in the way", async () => {
    expect(await preflight(topology(), settings, { measure: plenty })).toEqual([]);
  });

  it("names a port that a program of this machine holds", async () => {
    const holder = await listen(ports[0] ?? 0);
    await expect(preflight(topology(), settings, { measure: plenty })).rejects.toThrow(
      `pg-continuity:ports.gateway: ${ports[0]} is taken on host host0 by another program of this machine. Free it, or choose another: "pulumi config set --path 'ports.gateway' PORT".`,
    );
    holder?.close();
  });

  it("names the container that holds a port", async () => {
    containers = [{ Names: ["/somebody"], Ports: [{ PublicPort: ports[1] ?? 0 }, {}] }];
    await expect(preflight(topology(), settings, { measure: plenty })).rejects.toThrow(
      `ports.gatewayStatistics: ${ports[1]} is taken on host host0 by container somebody`,
    );
  });

  it("names a port that a program holds at another address, where it is published at every one", async () => {
    const [port = 0] = ports;
    const holder = createTcpServer();
    await new Promise<void>((resolve) =>
      holder.listen({ host: "127.0.0.2", port, exclusive: true }, resolve),
    );
    try {
      expect(await preflight(topology(), settings, { measure: plenty })).toEqual([]);
      const everywhere = { publishedAddress: "0.0.0.0" };
      await expect(
        preflight(topology(["docker.sock"], everywhere), settingsOf(everywhere), { measure: plenty }),
      ).rejects.toThrow(
        `pg-continuity:ports.gateway: ${port} is taken on host host0 by another program of this machine.`,
      );
    } finally {
      holder.close();
    }
  });

  it("takes the stack's own container for no obstacle, though its port is in use", async () => {
    const own = await listen(ports[0] ?? 0);
    const Labels = { "pg-continuity.project": "pg-continuity", "pg-continuity.stack": "unit" };
    containers = [{ Names: ["/pg-continuity-unit-gateway"], Ports: [{ PublicPort: ports[0] ?? 0 }], Labels }];
    expect(await preflight(topology(), settings, { measure: plenty })).toEqual([]);
    own?.close();
  });

  it("names what has the stack's names and is not the stack's", async () => {
    const Labels = { "pg-continuity.project": "other", "pg-continuity.stack": "unit" };
    containers = [{ Names: ["/pg-continuity-unit-gateway"], Ports: [], Labels }];
    networks = [
      { Name: "pg-continuity-unit", Labels: {} },
      { Name: "pg-continuity-unit-2", Labels: {} },
    ];
    volumes = [{ Name: "pg-continuity-unit-shared-database-data", Labels: null }];
    const error = await preflight(topology(), settings, { measure: plenty }).catch(
      (thrown: unknown) => thrown,
    );
    const message = error instanceof Error ? error.message : "";
    expect(message.split("\n")).toEqual([
      "3 problems, nothing was changed:",
      expect.stringContaining(
        'has a container named pg-continuity-unit-gateway that does not belong to this stack (it belongs to project other, stack unit). Look whose it is ("docker container inspect pg-continuity-unit-gateway")',
      ),
      expect.stringContaining("has a network named pg-continuity-unit that does not belong to this stack."),
      expect.stringContaining("has a volume named pg-continuity-unit-shared-database-data that"),
    ]);
  });

  describe("with a database that runs", () => {
    const told = { version: 1, transitionId: "CHG-1", writtenAt: "2026-01-01T00:00:00Z" };
    beforeEach(() => {
      containers = [
        {
          Id: "1",
          Names: ["/pg-continuity-unit-read-only-database"],
          Ports: [],
          Labels: {
            "pg-continuity.project": "pg-continuity",
            "pg-continuity.stack": "unit",
            "pg-continuity.node": "read-only-database",
          },
        },
      ];
    });

    it("refuses to move the writable database to another host", async () => {
      symlinkSync(join(folder, "docker.sock"), join(folder, "second.sock"));
      intent = { ...told, role: "primary" };
      await expect(
        preflight(topology(["docker.sock", "second.sock"]), settings, { measure: plenty }),
      ).rejects.toThrow(
        'pg-continuity:placement.read-only-database: REFUSED: "host1" would remove read-only-database, which is the writable database since transition CHG-1: it holds the only current data. Make the other database the writable one first',
      );
    });

    it("refuses it also where nothing is left on the host that it leaves", async () => {
      symlinkSync(join(folder, "docker.sock"), join(folder, "second.sock"));
      intent = { ...told, role: "primary" };
      const left = topology(["second.sock", "docker.sock"], { placement: {} });
      expect([left.hosts.length, left.idleHosts.length]).toEqual([1, 1]);
      await expect(preflight(left, settings, { measure: plenty })).rejects.toThrow(
        'pg-continuity:placement.read-only-database: REFUSED: "host0" would remove read-only-database, which is the writable database',
      );
    });

    it("refuses a stack of which its state knows nothing, and asks the state only then", async () => {
      intent = { ...told, role: "primary" };
      const asked: string[] = [];
      const isKnown = (answer: boolean) => async () => {
        asked.push(String(answer));
        return answer;
      };
      await expect(
        preflight(topology(), settings, { measure: plenty, isKnown: isKnown(false) }),
      ).rejects.toThrow(
        /^host host0: REFUSED: has a stack named unit already, of which this state knows nothing \(container pg-continuity-unit-read-only-database\)\./,
      );
      expect(await preflight(topology(), settings, { measure: plenty, isKnown: isKnown(true) })).toEqual([]);
      containers = [];
      expect(await preflight(topology(), settings, { measure: plenty, isKnown: isKnown(false) })).toEqual([]);
      expect(asked).toEqual(["false", "true"]);
    });

    it.each([
      ["the writable one's", { ...told, role: "primary" }, /is the writable database\. Leave it/],
      [
        "a standby's, while nobody is known to be writable",
        { ...told, role: "standby", upstream: "shared" },
        /may hold the only current data: shared-database does not accept writes/,
      ],
    ])("refuses to give up a volume: %s", async (_name, itsIntent, said) => {
      intent = itsIntent;
      const given = { ...topology(), givenUpVolume: "read-only-database-data" };
      const error = await preflight(given, settings, { measure: plenty }).catch((thrown: unknown) => thrown);
      expect(String(error)).toMatch(/pg-continuity:giveUpVolume: REFUSED: "read-only-database-data" /);
      expect(String(error)).toMatch(said);
    });
  });

  it("says when the disk is full, and where", async () => {
    const measured: string[] = [];
    const full = async (path: string) => {
      measured.push(path);
      return 512 * 1024 ** 2;
    };
    await expect(preflight(topology(), settings, { measure: full })).rejects.toThrow(
      /^host host0: has 512 MB free where Docker keeps its data \(\/data\/docker\), at least 2048 MB are needed\. Make room there/,
    );
    expect(measured).toEqual(["/data/docker"]);
  });

  it("says when no engine answers, with the remedy", async () => {
    await expect(preflight(topology(["dead.sock"]), settings, { measure: plenty })).rejects.toThrow(
      /^host host0: unix:\/\/.*dead\.sock does not answer \(connect ENOENT .*\)\. Start the Docker engine there/,
    );
  });

  it("only warns when one engine of several does not answer", async () => {
    const warnings = await preflight(topology(["docker.sock", "dead.sock"]), settings, { measure: plenty });
    expect(warnings).toEqual([
      expect.stringMatching(/^host host1 .* does not answer: .*left as they are\.$/),
    ]);
  });
});
