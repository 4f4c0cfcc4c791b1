import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KeyPair } from "../../core/credentials.ts";
import { parameters } from "../../core/parameterCatalogue.ts";
import { createAuthority, issueCertificate, validity } from "../../core/pki.ts";
import type { Overview } from "../../server/overview/schema.ts";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { WebhookReceiver } from "../support/receivers.ts";
import { damages, evidenceOf, transition, undamaged, underLoad, upWith } from "../support/transition.ts";

// One story, told in order: each test begins where the one before has ended.
describe.sequential("settings of a running deployment", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.start("settings");
    nodes = await Nodes.of(deployment);
    await healthy(deployment);
  });
  afterAll(async () => {
    await deployment?.[Symbol.asyncDispose]();
  });

  /** Applies synchronous replication, and sees it with the outputs of that `up`. */
  async function synchronous(value: boolean): Promise<{ exitCode: number | undefined; all: string }> {
    const result = await upWith(deployment, { synchronous: value });
    await deployment.reread();
    nodes = await Nodes.of(deployment);
    return result;
  }

  /** A write as a good client does it: again with the same key until it is acknowledged. */
  async function writeOnce(name: string): Promise<number> {
    for (let attempts = 1; ; attempts++) {
      const { status } = await nodes.request("gateway", "/api/resources", {
        method: "POST",
        body: { name, account: "test", secret: "waits" },
        headers: { "idempotency-key": name },
        timeoutSeconds: 40,
      });
      if (status === 201) return attempts;
      await sleep(100);
    }
  }

  it("the catalogue of parameters is the one of the PostgreSQL that runs", async () => {
    const known = await nodes.sql(
      "shared-database",
      "SELECT json_object_agg(name, context) FROM pg_settings WHERE NOT 'NO_RESET' = ANY (pg_settings_get_flags(name)) AND name NOT LIKE '%.%'",
    );
    const ours = Object.entries(parameters).map(([name, { context }]) => [name, context]);
    expect(Object.fromEntries(ours)).toEqual(JSON.parse(known));
  });

  describe.sequential("a certificate of one's own for the gateway", () => {
    const name = "vault.example.test";
    const day = 24 * 3600 * 1000;
    let authority: KeyPair;

    /** What a server tells people of certificates. */
    const certificateAlerts = async (server: string) => {
      const { body } = await nodes.request(server, "/api/high-availability");
      return (JSON.parse(body) as Overview).alerts.filter(({ rule }) => rule === "certificate");
    };

    /** Sets a certificate for these names that is valid for so many days; its key as people set it, or in the open. */
    async function setCertificate(names: readonly string[], days: number, isOpen = false): Promise<KeyPair> {
      const issuedAt = new Date(Date.now() - (validity.node - days) * day);
      const { certificate, key } = await issueCertificate(authority, names, issuedAt);
      deployment.configure({ gatewayCertificate: certificate, gatewayAuthority: authority.certificate });
      if (isOpen) deployment.configure({ gatewayKey: key });
      else {
        const set = await deployment.pulumi(["config", "set-all", "--secret", `gatewayKey=${key}`]);
        expect([set.exitCode, set.all]).toEqual([0, ""]);
      }
      return { certificate, key };
    }

    /** What a client of the gateway sees that asks for it by this name: the answer's status, or why it does not trust it. */
    async function asked(by: string, ca: string): Promise<number | string> {
      const { published } = nodes.stack.topology.gateway;
      return new Promise((resolve) => {
        const host = { host: published.address, port: published.port, path: "/healthz", agent: false };
        get({ ...host, servername: by, ca }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        }).on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      });
    }

    it("is refused where clients would not accept it, with all that is wrong, before anything is registered", async () => {
      authority = await createAuthority("office");
      await setCertificate([name], -3, true);
      const { exitCode, all } = await deployment.preview();
      expect(exitCode).not.toBe(0);
      expect(all).toContain("3 problems, nothing was changed");
      expect(all).toContain("pg-continuity:gatewayKey: stands readable in the stack's config");
      expect(all).toContain(`is valid for ${name}, but clients reach the gateway at 127.0.0.1. Say the name`);
      expect(all).toContain("pg-continuity:gatewayCertificate: has expired on");
      expect(all).not.toContain("deployment:Deployment");
    });

    it("is delivered live: clients trust it by the output, no request fails, and the status says when it ends", async () => {
      const { certificate, key } = await setCertificate([name], 20);
      deployment.configure({ gatewayAddress: name });
      const preview = await deployment.script("scripts/preview.ts");
      expect([preview.exitCode, preview.all]).toEqual([2, expect.stringContaining("writes go on")]);
      expect(preview.all).toContain(`gatewayCertificate:  → ${name} until`);
      expect(preview.all).toContain("gatewayKey:  → [secret]");

      const before = await nodes.starts();
      const stackAuthority = nodes.stack.access.caCertificate;
      const { result, load, report } = await underLoad(deployment, () => upWith(deployment, {}));
      expect([result.exitCode, result.all]).toEqual([0, expect.any(String)]);
      expect(report.failed).toEqual([]);
      expect(await damages(deployment, load)).toEqual(undamaged);
      expect(await nodes.starts()).toEqual(before);

      const { stdout: text } = await deployment.pulumi(["stack", "output", "--json"]);
      const outputs = JSON.parse(text);
      expect(outputs.gatewayUrl).toBe(`https://${name}:${deployment.ports.gateway}`);
      expect(await asked(name, outputs.caCertificate)).toBe(200);
      expect(await asked(name, stackAuthority)).toMatch(/UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET/);
      expect(await asked("other.example.test", outputs.caCertificate)).toBe("ERR_TLS_CERT_ALTNAME_INVALID");

      const { exitCode, certificates, findings } = await deployment.status();
      const expiresAt = new Date(new X509Certificate(certificate).validTo).toISOString();
      expect([exitCode, certificates.at(-1)]).toEqual([
        3,
        { of: "gateway-clients", expiresAt, detail: null },
      ]);
      expect(findings).toEqual([
        {
          subject: "certificate that the gateway shows to clients",
          problem: expect.stringMatching(/^expires on \d{4}-\d\d-\d\d, in (19|20) days$/),
          remedy: expect.stringContaining("pulumi config set gatewayCertificate < CHAIN.pem"),
        },
      ]);
      const told = await deployment.script("scripts/status.ts");
      expect([told.exitCode, told.all]).toEqual([
        3,
        expect.stringMatching(
          /certificate that the gateway shows to clients expires on .*, in (19|20) days.*pulumi config set gatewayCertificate < CHAIN\.pem/s,
        ),
      ]);
      for (const server of ["primary-server", "read-only-server"])
        expect(await certificateAlerts(server)).toMatchObject([
          {
            key: "certificate:gateway",
            problem: expect.stringMatching(/, in (19|20) days$/),
            remedy: expect.stringContaining("pulumi config set gatewayCertificate < CHAIN.pem"),
          },
        ]);
      const places = [
        (await deployment.pulumi(["stack", "export"])).stdout,
        await nodes.docker("inspect", nodes.container("gateway")),
        await nodes.log("gateway"),
        readFileSync(deployment.configFile, "utf8"),
        preview.all,
        result.all,
      ];
      const [, secret = ""] = key.split("\n");
      for (const place of places) expect(place.includes(secret)).toBe(false);
    });

    it("is renewed live, and stays while everything else changes", async () => {
      const { certificate } = await setCertificate([name, "*.example.test"], 90);
      const before = await nodes.starts();
      expect((await upWith(deployment, {})).exitCode).toBe(0);
      expect(await nodes.starts()).toEqual(before);
      const trust = `${nodes.stack.access.caCertificate}${authority.certificate}`;
      await eventually(
        "the gateway shows it",
        async () => (await asked("eu.example.test", trust)) === 200,
        5,
      );
      await deployment.reread();
      nodes = await Nodes.of(deployment);
      const { certificates } = await healthy(deployment);
      expect(certificates.at(-1)?.expiresAt).toBe(
        new Date(new X509Certificate(certificate).validTo).toISOString(),
      );
      expect(await certificateAlerts("read-only-server")).toEqual([]);
    });
  });

  it.each<[what: string, wanted: Record<string, number>, order: string[]]>([
    ["raised", { max_connections: 250 }, ["read-only-database", "shared-database"]],
    [
      "one lowered, one raised",
      { max_connections: 180, max_worker_processes: 12 },
      // The replica twice: first it gets the higher of both, at last what is wanted.
      ["shared-database", "read-only-database"],
    ],
  ])("parameters that need a restart, %s: in order, in their containers, no request fails", async (_what, wanted, order) => {
    const before = await nodes.starts();
    const started = async (node: string) =>
      Number(await nodes.sql(node, "SELECT extract(epoch FROM pg_postmaster_start_time())"));
    const startedBefore = await Promise.all(order.map(started));
    deployment.configure({ postgresParameters: { ...wanted, work_mem: "5MB" } });
    const preview = await deployment.script("scripts/preview.ts");
    expect(preview.all).toContain("restarted: restart restart-databases-for-parameters: each database is");
    expect(preview.all).toMatch(/postgresParameters\.max_connections: (-|\d+) → \d+/);
    expect(preview.all).toContain("writes stop for about 3 s (shared-database is away for a moment");
    const { result, load, report } = await underLoad(deployment, () => upWith(deployment, {}));
    expect([result.exitCode, result.all]).toEqual([
      0,
      expect.stringContaining("restart-databases-for-parameters"),
    ]);
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    expect(await nodes.starts()).toEqual(before);
    const startedAfter = await Promise.all(order.map(started));
    for (const [index, at] of startedAfter.entries()) expect(at).toBeGreaterThan(startedBefore[index] ?? 0);
    expect(startedAfter).toEqual([...startedAfter].sort((a, b) => a - b));
    for (const node of order) {
      for (const [name, value] of Object.entries(wanted))
        expect([node, name, await nodes.sql(node, `SHOW ${name}`)]).toEqual([node, name, String(value)]);
      expect(await nodes.sql(node, "SELECT count(*) FROM pg_settings WHERE pending_restart")).toBe("0");
    }
    await healthy(deployment);
  });

  it("synchronous replication is switched on live, and the status says so", async () => {
    deployment.configure({ synchronous: true });
    const preview = await deployment.script("scripts/preview.ts");
    expect([preview.exitCode, preview.all]).toEqual([2, expect.stringContaining("changes, risk medium")]);
    expect(preview.all).toContain(
      "writes stop while the replica is gone; the way out is applied live: pulumi config set synchronous false && pulumi up",
    );
    const before = await nodes.starts();
    const { result, load, report } = await underLoad(deployment, () => synchronous(true));
    expect([result.exitCode, result.all]).toEqual([
      0,
      expect.stringContaining("switch-synchronous-replication"),
    ]);
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    expect(await nodes.starts()).toEqual(before);
    const { databases } = await healthy(deployment);
    expect(databases).toMatchObject([
      { name: "shared", synchronous: true, waitingCommits: 0 },
      { name: "read-only", syncState: "sync" },
    ]);
  });

  it("without the replica writes wait; the status says so, and the way out lets them go on", async () => {
    await nodes.docker("stop", nodes.container("read-only-database"));
    const written = writeOnce("waits-for-the-replica");
    const status = await eventually("the status tells of the waiting write", async () => {
      const now = await deployment.status();
      return now.findings.some(({ problem }) => /\([1-9]\d* wait now\)/.test(problem)) ? now : undefined;
    });
    expect(status.verdict).toBe("degraded");
    expect(status.findings).toContainEqual({
      subject: "writes",
      problem: expect.stringMatching(/^wait: replication is synchronous, and no replica confirms them/),
      remedy: expect.stringContaining("pulumi config set synchronous false && pulumi up"),
    });
    const { exitCode, all } = await synchronous(false);
    expect([exitCode, all]).toEqual([0, expect.stringContaining("updated")]);
    expect(await written).toBeGreaterThan(0);
    await nodes.docker("start", nodes.container("read-only-database"));
    await eventually(
      "the replica follows again, and nobody waits for it",
      async () => (await healthy(deployment)).databases[1]?.syncState === "async",
    );
    const rows = "SELECT count(*) FROM vault.resources WHERE name = 'waits-for-the-replica'";
    for (const database of ["shared-database", "read-only-database"])
      expect(await nodes.sql(database, rows, "vault")).toBe("1");
  });

  it("an emergency promote is proved to lose nothing, and so needs no consent to a loss", async () => {
    expect((await synchronous(true)).exitCode).toBe(0);
    await healthy(deployment);
    const { result, load } = await underLoad(deployment, async () => {
      await nodes.docker("kill", nodes.container("shared-database"));
      return transition(deployment, "promote", "SYNC-1", "--json");
    });
    expect([result.exitCode, result.all]).toEqual([
      0,
      expect.stringContaining("replication was synchronous"),
    ]);
    const evidence = evidenceOf(deployment, "SYNC-1");
    expect(evidence).toMatchObject({ verdict: "done", lostWrites: 0 });
    expect(evidence.steps.map(({ step }) => step)).toContain("promote read-only (lossless)");
    expect(evidence.writeGapSeconds).toBeGreaterThan(0);
    expect(await damages(deployment, load)).toEqual(undamaged);
  });

  it("a planned restore works while replication is synchronous", async () => {
    const { result, load, report } = await underLoad(deployment, () =>
      transition(deployment, "restore", "SYNC-2", "--json"),
    );
    expect([result.exitCode, JSON.parse(result.stdout)]).toMatchObject([
      0,
      { verdict: "done", lostWrites: 0 },
    ]);
    expect(report.failed).toEqual([]);
    expect(await damages(deployment, load)).toEqual(undamaged);
    await healthy(deployment);
  });

  it("alerts reach a receiver from every server; its secret URL is shown nowhere, and nothing is restarted", async () => {
    const { topology } = await deployment.deployed();
    const [host] = topology.hosts;
    const gateway = await nodes.docker(
      ...["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", host?.network ?? ""],
    );
    const receiver = await WebhookReceiver.listen(undefined, gateway.trim());
    try {
      const path = "services/T0/neither-shown-nor-logged";
      const url = `http://${gateway.trim()}:${receiver.port}/${path}`;
      const set = ["config", "set", "--secret", "--path", "pg-continuity:alerts.webhook.url", url];
      expect((await deployment.pulumi(set)).exitCode).toBe(0);
      const before = await nodes.starts();
      const report = await deployment.script("scripts/preview.ts", ["--json"]);
      expect(JSON.parse(report.stdout)).toMatchObject({
        settings: [{ key: "alerts.webhook.url", before: "", after: "[secret]" }],
      });
      const preview = await deployment.preview("--diff");
      const up = await upWith(deployment, {});
      expect([up.exitCode, await nodes.starts()]).toEqual([0, before]);
      for (const { node } of topology.servers) {
        const { status, body } = await nodes.request(node, "/api/alerts/test", { method: "POST" });
        expect([status, JSON.parse(body)]).toEqual([
          200,
          { channels: [{ channel: "webhook", problem: null }] },
        ]);
      }
      expect(receiver.texts).toHaveLength(topology.servers.length);
      const { stdout: state } = await deployment.pulumi(["stack", "export"]);
      const logs = await Promise.all(topology.servers.map(({ node }) => nodes.log(node)));
      for (const text of [report.all, preview.all, up.all, state, ...logs]) expect(text).not.toContain(path);
    } finally {
      await receiver.close();
    }
  });
});
