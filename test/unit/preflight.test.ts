import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { preflight } from "../../scripts/preflight.ts";
import { topologyOf } from "../support/fixtures.ts";
import { freePorts, listen } from "../support/ports.ts";

const plenty = async () => 100 * 1024 ** 3;

/** An engine that answers what preflight asks, on a socket of its own. */
describe("preflight", () => {
  let folder = "";
  let engine: Server;
  let containers: { Names: string[]; Ports: { PublicPort?: number }[] }[] = [];
  let ports: readonly number[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "pg-continuity-preflight-"));
    containers = [];
    ports = await freePorts(7);
    engine = createServer((request, response) => {
      response.setHeader("content-type", "application/json");
      const isInfo = request.url?.endsWith("/info");
      response.end(JSON.stringify(isInfo ? { DockerRootDir: "/data/docker" } : containers));
    });
    await new Promise<void>((resolve) => engine.listen(join(folder, "docker.sock"), resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => engine.close(resolve));
    rmSync(folder, { recursive: true });
  });

  const topology = (hosts = ["docker.sock"]) => {
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
    });
  };

  it("says nothing where nothing is in the way", async () => {
    expect(await preflight(topology(), { measure: plenty })).toEqual([]);
  });

  it("names a port that a program of this machine holds", async () => {
    const holder = await listen(ports[0] ?? 0);
    await expect(preflight(topology(), { measure: plenty })).rejects.toThrow(
      `pg-continuity:ports.gateway: ${ports[0]} is taken on host host0 by another program of this machine. Free it, or choose another: "pulumi config set --path 'ports.gateway' PORT".`,
    );
    holder?.close();
  });

  it("names the container that holds a port", async () => {
    containers = [{ Names: ["/somebody"], Ports: [{ PublicPort: ports[1] ?? 0 }, {}] }];
    await expect(preflight(topology(), { measure: plenty })).rejects.toThrow(
      `ports.gatewayStatistics: ${ports[1]} is taken on host host0 by container somebody`,
    );
  });

  it("takes the stack's own container for no obstacle, though its port is in use", async () => {
    const own = await listen(ports[0] ?? 0);
    containers = [{ Names: ["/pg-continuity-unit-gateway"], Ports: [{ PublicPort: ports[0] ?? 0 }] }];
    expect(await preflight(topology(), { measure: plenty })).toEqual([]);
    own?.close();
  });

  it("says when the disk is full, and where", async () => {
    const measured: string[] = [];
    const full = async (path: string) => {
      measured.push(path);
      return 512 * 1024 ** 2;
    };
    await expect(preflight(topology(), { measure: full })).rejects.toThrow(
      /^host host0: has 512 MB free where Docker keeps its data \(\/data\/docker\), at least 2048 MB are needed\. Make room there/,
    );
    expect(measured).toEqual(["/data/docker"]);
  });

  it("says when no engine answers, with the remedy", async () => {
    await expect(preflight(topology(["dead.sock"]), { measure: plenty })).rejects.toThrow(
      /^host host0: unix:\/\/.*dead\.sock does not answer \(connect ENOENT .*\)\. Start the Docker engine there/,
    );
  });

  it("only warns when one engine of several does not answer", async () => {
    const warnings = await preflight(topology(["docker.sock", "dead.sock"]), { measure: plenty });
    expect(warnings).toEqual([
      expect.stringMatching(/^host host1 .* does not answer: .*left as they are\.$/),
    ]);
  });
});
