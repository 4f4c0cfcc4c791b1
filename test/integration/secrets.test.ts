import { readdirSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment.ts";
import { eventually, Nodes } from "../support/nodes.ts";
import { connects } from "../support/ports.ts";
import { namesIn, secretsOf } from "../support/secrets.ts";

/** Command lines and environments of every process of this machine, as far as they can be read. */
function processes(): string {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => ["cmdline", "environ"].map((file) => join("/proc", pid, file)))
    .map((file) => {
      try {
        return readFileSync(file, "utf8");
      } catch {
        return ""; // It has ended, or is not ours to read.
      }
    })
    .join("\n");
}

describe("secrets", () => {
  let deployment: Deployment;
  let nodes: Nodes;
  let secrets: ReadonlyMap<string, string>;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    secrets = await secretsOf(deployment);
  });

  it("are all known to this test", async () => {
    expect([...secrets.keys()].sort()).toEqual(
      expect.arrayContaining([
        "credentials-admin-token",
        "credentials-authority.key",
        "credentials-certificate-gateway.key",
        "credentials-encryption-key",
        "credentials-login-application.password",
        "credentials-login-operator.password",
      ]),
    );
    for (const [, secret] of secrets) expect(secret.length).toBeGreaterThanOrEqual(40);
    const { adminToken } = await deployment.deployed();
    expect(namesIn(adminToken, secrets)).toEqual(["credentials-admin-token"]);
  });

  it("are not in the plain state", async () => {
    const { stdout } = await deployment.pulumi(["stack", "export"]);
    expect(stdout).toContain("credentials-admin-token");
    expect(namesIn(stdout, secrets)).toEqual([]);
    const folder = join(deployment.folder, "backend");
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(files.length).toBeGreaterThan(0);
    for (const { parentPath, name } of files)
      expect([name, ...namesIn(readFileSync(join(parentPath, name), "utf8"), secrets)]).toEqual([name]);
  });

  it("are not in what docker inspect and docker logs show", async () => {
    const id = await nodes.store("secrets test", "a-secret-that-is-never-logged");
    expect(await nodes.reveal("primary-server", id)).toBe("a-secret-that-is-never-logged");
    for (const node of nodes.names) {
      const inspected = await nodes.docker("inspect", nodes.container(node));
      const logs = await nodes.log(node);
      expect([node, ...namesIn(inspected + logs, secrets)]).toEqual([node]);
      expect(logs).not.toContain("a-secret-that-is-never-logged");
    }
  });

  it("are not in the database in the clear", async () => {
    const id = await nodes.store("encrypted", "a-secret-that-is-encrypted");
    const row = await nodes.sql(
      "shared-database",
      `SELECT encode(secret_ciphertext, 'escape') || r::text FROM vault.resources r WHERE id = '${id}'`,
      "vault",
    );
    expect(row).toContain("encrypted");
    expect(row).not.toContain("a-secret-that-is-encrypted");
  });

  it("are in no process list while the configuration is delivered anew", async () => {
    deployment.configure({ postgresParameters: { work_mem: "5MB" } });
    const seen = new Set<string>();
    let isDone = false;
    let samples = 0;
    const watch = async () => {
      while (!isDone) {
        for (const name of namesIn(processes(), secrets)) seen.add(name);
        samples++;
        await sleep(50);
      }
    };
    const watching = watch();
    const result = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
    isDone = true;
    await watching;
    deployment.configure({ postgresParameters: undefined });
    expect(result.exitCode).toBe(0);
    expect(samples).toBeGreaterThan(10);
    expect([...seen]).toEqual([]);
    expect(namesIn(result.all, secrets)).toEqual([]);
    expect((await deployment.pulumi(["up", "--yes", "--skip-preview"])).exitCode).toBe(0);
  });

  it("lie in files that only the node's user can read", async () => {
    for (const node of nodes.names) {
      const find =
        "find -L /var/lib/pg-continuity/config -type f -perm /077 -name '*.key' -o -type f -perm /077 -name '*pass*' -o -type f -perm /077 -name '*.pem'";
      expect(await nodes.exec(node, "sh", "-c", find)).toMatchObject({ exitCode: 0, stdout: "" });
    }
  });
});

describe("what a container may do", () => {
  let nodes: Nodes;
  beforeAll(async () => {
    nodes = await Nodes.of(await Deployment.shared());
  });

  it("is little: an ordinary user, no capability, no new privileges, nothing to write but its volumes", async () => {
    for (const node of nodes.names) {
      const status = (await nodes.exec(node, "cat", "/proc/1/status")).stdout;
      expect([node, ...(status.match(/^(Uid|CapEff|CapBnd|NoNewPrivs):.*$/gm) ?? [])]).toEqual([
        node,
        "Uid:\t999\t999\t999\t999",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
      ]);
      expect((await nodes.exec(node, "touch", "/etc/a-test")).stderr).toContain("Read-only file system");
    }
  });

  it("is published on 127.0.0.1 and nowhere else", async () => {
    const others = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ family, internal }) => family === "IPv4" && !internal);
    for (const node of nodes.names) {
      const bindings: Record<string, { HostIp: string; HostPort: string }[]> = JSON.parse(
        await nodes.inspect(node, "{{json .HostConfig.PortBindings}}"),
      );
      for (const { HostIp, HostPort } of Object.values(bindings).flat()) {
        expect(HostIp).toBe("127.0.0.1");
        expect(await connects("127.0.0.1", Number(HostPort))).toBe(true);
        for (const { address } of others) expect(await connects(address, Number(HostPort))).toBe(false);
      }
    }
  });

  it("of the gateway's statistics can be read there", async () => {
    const port = await nodes.inspect(
      "gateway",
      '{{(index (index .HostConfig.PortBindings "8404/tcp") 0).HostPort}}',
    );
    const metrics = await eventually("metrics", async () =>
      (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
    );
    expect(metrics).toContain('haproxy_server_status{proxy="servers",server="primary",state="UP"} 1');
  });
});
