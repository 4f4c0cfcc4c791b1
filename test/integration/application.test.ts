import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applicationSecrets } from "../../core/ownApplication.ts";
import { renderHaproxy } from "../../core/render/haproxy.ts";
import { deriveTopology } from "../../core/topology.ts";
import { encryptAgain } from "../../scripts/rotate/encryptAgain.ts";
import type { Overview } from "../../server/overview/schema.ts";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { buildPowerDns, PowerDns, powerDnsImage } from "../support/powerdns.ts";
import { transition } from "../support/transition.ts";

/** Sets one record after the other through the gateway, each again until it is acknowledged. */
function writing(dns: PowerDns, prefix: string): () => Promise<readonly string[]> {
  const acknowledged: string[] = [];
  let isStopping = false;
  const writer = (async () => {
    for (let number = 0; !isStopping; number++) {
      const host = `${prefix}-${number}`;
      const deadline = Date.now() + 60_000;
      while ((await dns.setAddress(host, "192.0.2.9").catch(() => 0)) !== 204) {
        if (Date.now() > deadline) throw new Error(`${host} was not acknowledged within 60 s`);
        await sleep(50);
      }
      acknowledged.push(host);
    }
  })();
  return async () => {
    isStopping = true;
    await writer;
    return acknowledged;
  };
}

/** The stack's encryption key, out of its state. */
async function seedOf(deployment: Deployment): Promise<string> {
  const { stdout } = await deployment.pulumi(["stack", "export", "--show-secrets"]);
  const { resources } = JSON.parse(stdout).deployment as {
    resources: { urn: string; outputs?: { output?: { plaintext?: string } } }[];
  };
  const found = resources.find(({ urn }) => urn.endsWith("::credentials-application-seed"));
  return JSON.parse(found?.outputs?.output?.plaintext ?? "null");
}

// One story, told in order: each test begins where the one before has ended.
describe.sequential("an application that somebody else has made (PowerDNS)", () => {
  let deployment: Deployment;
  let nodes: Nodes;
  let dns: PowerDns;
  const application = { image: powerDnsImage, environment: { GREETING: "hello" } };

  beforeAll(async () => {
    await buildPowerDns();
    deployment = await Deployment.create("application", { model: "read-only", application });
  });
  afterAll(async () => {
    await deployment?.[Symbol.asyncDispose]();
  });

  it("is brought up beside each server, and the self-check goes past it", async () => {
    const { exitCode, all, stdout } = await deployment.up();
    expect([exitCode, all]).toEqual([0, expect.stringContaining("Resources:")]);
    expect(all).toMatch(/ok {5}reach the application through the gateway: \/ is answered with \d+/);
    expect(all).toContain("ok     store a resource through a server: served by primary");
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: "ok",
      applications: [
        { name: "primary", state: "well" },
        { name: "read-only", state: "well" },
      ],
    });
    nodes = await Nodes.of(deployment);
    dns = await PowerDns.of(deployment);
  });

  it("stores through the gateway what is then read beside every server", async () => {
    expect(await dns.createZone()).toBe(201);
    expect(await dns.setAddress("www", "192.0.2.1")).toBe(204);
    expect(await dns.addresses()).toEqual({ www: "192.0.2.1" });
    for (const node of ["primary-application", "read-only-application"] as const)
      expect([node, await dns.addressesAt(deployment.ports[node])]).toEqual([node, { www: "192.0.2.1" }]);
  });

  it("has its secrets in files of its user, and nowhere that others look", async () => {
    const { password, secretKey } = applicationSecrets(await seedOf(deployment));
    const read = async (file: string) =>
      (await nodes.exec("primary-application", "cat", `/run/secrets/pg-continuity/${file}`)).stdout;
    expect(await read("secret-key")).toBe(secretKey);
    expect(await read("database-url")).toContain(`application_owner:${password}@`);
    const modes = await nodes.exec(
      ...([
        "primary-application",
        "sh",
        "-c",
        "stat -L -c '%a %u' /run/secrets/pg-continuity/* | sort -u",
      ] as const),
    );
    expect(modes.stdout).toBe("600 999");
    const state = (await deployment.pulumi(["stack", "export"])).stdout;
    for (const node of nodes.names) {
      const inspected = await nodes.docker("inspect", nodes.container(node));
      const shown = inspected + (await nodes.log(node)) + state;
      expect([node, shown.includes(password), shown.includes(secretKey)]).toEqual([node, false, false]);
    }
    expect(await nodes.inspect("primary-application", "{{.Config.Env}}")).toContain("GREETING=hello");
  });

  it("can reach its own database, and neither the vault's nor the superuser's", async () => {
    const connect = (database: string) =>
      nodes.exec("primary-application", "psql", "-XAtc", "SELECT current_user", `dbname=${database}`);
    expect(await connect("application")).toMatchObject({ exitCode: 0, stdout: "application_owner" });
    for (const database of ["vault", "postgres"])
      expect((await connect(database)).stderr).toMatch(/pg_hba.conf (rejects|entry)/);
    const rights =
      "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = 'application_owner'";
    expect(await nodes.sql("shared-database", rights)).toBe("f|f|f|f|f");
  });

  it("is served by the other one while one is away, and the status says which", async () => {
    await nodes.docker("stop", nodes.container("primary-application"));
    expect(await dns.setAddress("meanwhile", "192.0.2.2")).toBe(204);
    const { findings, exitCode } = await deployment.status();
    expect([exitCode, findings.map(({ subject, problem }) => `${subject} ${problem}`)]).toEqual([
      3,
      ["primary application is down (its container is stopped)"],
    ]);
    const { applications, shown } = await eventually("the page shows it", async () => {
      const { body } = await nodes.request("read-only-server", "/api/high-availability");
      const overview = JSON.parse(body) as Overview;
      const isSeen = overview.applications[0]?.isWell === false;
      return isSeen && { applications: overview.applications, shown: overview.findings };
    });
    expect(applications.map(({ name, isWell }) => [name, isWell])).toEqual([
      ["primary", false],
      ["read-only", true],
    ]);
    expect(shown).toEqual([
      {
        subject: "primary application",
        problem: expect.stringMatching(/^is unwell \(.+\)$/),
        remedy: expect.stringContaining(nodes.container("primary-application")),
      },
    ]);
    await nodes.docker("start", nodes.container("primary-application"));
    await healthy(deployment);
    expect(await dns.addressesAt(deployment.ports["primary-application"])).toHaveProperty("meanwhile");
  });

  it.each([
    ["promote", "read-only"],
    ["restore", "shared"],
  ] as const)("goes on after a %s, with everything that was acknowledged", async (name, writable) => {
    const starts = await nodes.inspect("primary-application", "{{.State.StartedAt}}");
    const stop = writing(dns, name);
    await sleep(500);
    const { exitCode, all } = await transition(deployment, name, `APP-${name}`);
    expect([exitCode, all]).toEqual([0, expect.stringContaining("done")]);
    // Written after the transition, without anybody having done anything to the application.
    await eventually(
      "a record through the gateway",
      async () => (await dns.setAddress(`after-${name}`, "192.0.2.3")) === 204,
    );
    const acknowledged = await stop();
    const there = await dns.addresses();
    expect(acknowledged.length).toBeGreaterThan(5);
    expect(acknowledged.filter((host) => !(host in there))).toEqual([]);
    expect(there).toMatchObject({ www: "192.0.2.1", [`after-${name}`]: "192.0.2.3" });
    expect(await nodes.inspect("primary-application", "{{.State.StartedAt}}")).toBe(starts);
    const rows = `SELECT count(*) FROM records WHERE name = 'after-${name}.example.org'`;
    expect(await nodes.sql(`${writable}-database`, rows, "application")).toBe("1");
    await healthy(deployment);
  });

  it("is asked over TLS by a path, where the settings say so: HAProxy takes that configuration", async () => {
    const { settings } = await deployment.deployed();
    const changed = { ...settings.application, protocol: "https", healthPath: "/healthz?deep=1" } as const;
    const topology = deriveTopology("pg-continuity", deployment.stack, { ...settings, application: changed });
    const config = Buffer.from(renderHaproxy(topology, "token")).toString("base64");
    const check = `echo ${config} | base64 -d > /tmp/candidate.cfg && haproxy -c -f /tmp/candidate.cfg 2>&1`;
    expect(await nodes.exec("gateway", "sh", "-c", check)).toMatchObject({ exitCode: 0 });
  });

  it("does not see the administrator's token: a rotation of the key asks a server past it", async () => {
    const said: string[] = [];
    await encryptAgain(await deployment.deployed(), (text) => said.push(text));
    expect(said).toEqual(["encrypted again: 0, none remain"]);
  });

  it("is changed one at a time: the gateway always has one to lead to", async () => {
    for (const [key, value] of [
      ["application.healthPath", "/metrics"],
      ["application.environment.GREETING", "goodbye"],
    ] as const)
      expect((await deployment.pulumi(["config", "set", "--path", key, value])).exitCode).toBe(0);
    const failed: string[] = [];
    let isStopping = false;
    const reader = (async () => {
      while (!isStopping) {
        // One that was being answered when its application was stopped is asked again.
        await dns
          .addresses()
          .catch(() => dns.addresses().catch((error: Error) => failed.push(error.message)));
        await sleep(50);
      }
    })();
    const { exitCode, all } = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
    isStopping = true;
    await reader;
    expect([exitCode, all]).toEqual([0, expect.stringMatching(/\d+ replaced/)]);
    expect(failed).toEqual([]);
    for (const node of ["primary-application", "read-only-application"])
      expect(await nodes.inspect(node, "{{.Config.Env}}")).toContain("GREETING=goodbye");
    const { exitCode: again, all: unchanged } = await deployment.preview("--expect-no-changes");
    expect([again, unchanged]).toEqual([0, expect.anything()]);
  });

  it("goes when its setting goes: the gateway leads to the vault, its data stays, and nobody can connect to it", async () => {
    const login = `psql -XAtc 'SELECT 1' "$(cat /run/secrets/pg-continuity/database-url)" 2>&1`;
    expect((await nodes.exec("primary-application", "sh", "-c", login)).stdout).toBe("1");
    expect((await deployment.pulumi(["config", "rm", "application"])).exitCode).toBe(0);
    const { exitCode, all } = await deployment.up();
    expect([exitCode, all]).toEqual([0, expect.stringContaining("store a resource through the gateway")]);
    expect(await nodes.sql("shared-database", "SELECT count(*) > 0 FROM records", "application")).toBe("t");
    const hba = "SELECT count(*) FROM pg_hba_file_rules WHERE 'application_owner' = ANY (user_name)";
    expect(await nodes.sql("shared-database", hba)).toBe("0");
    const volumes = await nodes.docker("volume", "ls", "--quiet", "--filter", `name=${deployment.stack}`);
    expect(volumes).not.toContain("application-state");
  });
});
