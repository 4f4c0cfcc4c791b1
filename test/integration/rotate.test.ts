import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { beforeAll, describe, expect, it } from "vitest";
import type { KeyPair } from "../../core/credentials.ts";
import { issueCertificate, validity } from "../../core/pki.ts";
import { type AllGenerations, type Rotatable, rotatable } from "../../core/rotation.ts";
import { allNodes } from "../../core/topology.ts";
import type { DatabaseRole } from "../../core/vocabulary.ts";
import type { Overview } from "../../server/overview/schema.ts";
import { Deployment, type ScriptResult } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { ReadProbe } from "../support/readProbe.ts";
import { rolePasswords, runAs } from "../support/roles.ts";
import { authorityOf } from "../support/secrets.ts";
import { damages, undamaged, underLoad } from "../support/transition.ts";

const folder = "/var/lib/pg-continuity/config";

// One story, told in order: each test begins where the one before has ended.
describe.sequential("rotation on a running deployment", () => {
  let deployment: Deployment;
  /** As clients see it that know what was in use at first. */
  let before: Nodes;
  let nodes: Nodes;
  let old: { passwords: Readonly<Record<DatabaseRole, string>>; certificate: string; certificateKey: string };
  let authority: KeyPair;
  let kept = "";
  /** The generation of each kind that is in use at first: other stories may have rotated before. */
  let inUse: AllGenerations;
  const first = (kind: Rotatable) => inUse[kind][0];
  const next = (kind: Rotatable) => first(kind) + 1;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    before = await Nodes.of(deployment);
    nodes = before;
    old = {
      passwords: await rolePasswords(deployment, nodes),
      certificate: await fileOf("primary-server", "node.crt"),
      certificateKey: await fileOf("primary-server", "node.key"),
    };
    authority = await authorityOf(deployment);
    kept = await nodes.store("before the rotation", "kept");
    const { stdout } = await rotate(rotatable, "--dry-run");
    inUse = (JSON.parse(stdout) as { applied: typeof inUse }).applied;
  });

  const rotate = (kinds: readonly Rotatable[], ...options: string[]): Promise<ScriptResult> =>
    deployment.script("scripts/rotate.ts", [...kinds, "--json", ...options]);
  const fileOf = async (node: string, name: string) =>
    (await nodes.exec(node, "cat", `${folder}/${name}`)).stdout;
  const postgresStarts = () =>
    Promise.all(
      ["shared-database", "read-only-database"].map((node) =>
        nodes.sql(node, "SELECT pg_postmaster_start_time()"),
      ),
    );
  const sealedBy = () =>
    nodes.sql("shared-database", "SELECT DISTINCT secret_key_id FROM vault.resources", "vault");

  /** Rotates while clients write over kept connections and one reads over new ones; nothing is restarted, no request fails. */
  async function rotateLive(clients: Nodes, ...options: string[]): Promise<RotationReport> {
    const startsBefore = [await nodes.starts(), await postgresStarts()];
    const probe = new ReadProbe(clients, `/api/resources/${kept}`);
    const { result, load, report } = await underLoad(
      deployment,
      () => rotate(rotatable, ...options),
      4,
      clients.stack,
    ).finally(() => probe.stop());
    expect([result.exitCode, result.exitCode === 0 ? "" : result.all]).toEqual([0, ""]);
    expect(report.failed).toEqual([]);
    expect(probe.failed).toEqual([]);
    expect(load.acknowledged.length).toBeGreaterThan(0);
    expect([await nodes.starts(), await postgresStarts()]).toEqual(startsBefore);
    await deployment.reread();
    nodes = await Nodes.of(deployment);
    expect(await damages(deployment, load)).toEqual(undamaged);
    for (const server of ["primary-server", "secondary-server", "read-only-server"])
      expect(await nodes.reveal(server, kept)).toBe("kept");
    return JSON.parse(result.stdout);
  }

  /** As time makes it: a node's certificate by the stack's authority, for its names, so many days before its end. */
  async function age(node: string, days: number): Promise<void> {
    const { kind, certificateNames } = allNodes(nodes.stack.topology).find((one) => one.node === node) ?? {};
    const issuedAt = new Date(Date.now() - (validity.node - days) * 24 * 3600 * 1000);
    const { certificate, key } = await issueCertificate(authority, certificateNames ?? [], issuedAt);
    const files =
      kind === "gateway"
        ? { "gateway.pem": `${certificate}${key}` }
        : { "node.crt": certificate, "node.key": key };
    for (const [name, content] of Object.entries(files)) {
      const write = ["sh", "-c", `printf %s "$1" > ${folder}/${name}`, "sh", content];
      expect(await nodes.exec(node, ...write)).toMatchObject({ exitCode: 0 });
    }
    await nodes.docker("kill", "--signal", kind === "gateway" ? "USR2" : "HUP", nodes.container(node));
  }

  /** What people are told of certificates, or would be, as a server says it. */
  async function certificateAlerts(server: string): Promise<Overview["alerts"]> {
    const { body } = await nodes.request(server, "/api/high-availability");
    return (JSON.parse(body) as Overview).alerts.filter(({ rule }) => rule === "certificate");
  }

  interface RotationReport {
    readonly steps: readonly {
      readonly changes: readonly { readonly kind: Rotatable; readonly generations: number[] }[];
    }[];
    readonly checks: readonly { readonly what: string; readonly ok: boolean; readonly detail: string }[];
    readonly encryptedAgain?: number;
  }

  const generationsIn = ({ steps }: RotationReport) =>
    steps.map(({ changes }) => changes.map(({ kind, generations }) => `${kind} ${generations}`));

  it("is not started where the config has other changes, and says so", async () => {
    deployment.configure({ displayNames: { primary: "Another name" } });
    try {
      const { exitCode, all } = await rotate(["passwords"]);
      expect([exitCode, all]).toEqual([
        3,
        expect.stringContaining(
          "the config has other changes that are not applied (displayNames.primary: - → Another name). Apply them first: npm run up",
        ),
      ]);
    } finally {
      deployment.configure({ displayNames: undefined });
    }
  });

  it("a dry run only tells what would be done", async () => {
    const { exitCode, stdout } = await rotate(["passwords"], "--dry-run");
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([
      0,
      { applied: { passwords: [first("passwords")] }, reasons: [] },
    ]);
    const [used, wanted] = [first("passwords"), next("passwords")];
    expect(generationsIn(JSON.parse(stdout))).toEqual([
      [`passwords ${used},${wanted}`],
      [`passwords ${wanted},${used}`],
      [`passwords ${wanted}`],
    ]);
  });

  it("a generation out of its order is refused: in the report, and before anything is delivered", async () => {
    deployment.configure({ credentials: { ...inUse, key: [next("key")] } });
    const reason = `key: generation [${first("key")}] must not be followed by [${next("key")}]: ${next("key")} would be used before every node accepts it`;
    const preview = await deployment.script("scripts/preview.ts");
    expect([preview.exitCode, preview.all]).toEqual([3, expect.stringContaining(reason)]);
    const up = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
    expect([up.exitCode === 0, up.all]).toEqual([false, expect.stringContaining(reason)]);
    expect(up.all).not.toContain("configure-");
    const dryRun = await rotate(["key"], "--dry-run");
    expect([dryRun.exitCode, dryRun.all]).toEqual([3, expect.stringContaining(`not started: ${reason}`)]);
  });

  it("certificates that end within 30 days are findings of the status and alerts of the servers, with the command that replaces them", async () => {
    const aging = ["shared-database", "secondary-server", "gateway"];
    await Promise.all(aging.map((node, index) => age(node, 20 + index)));
    const expected = aging.map((node, index) => ({
      subject: `certificate of ${node}`,
      problem: expect.stringMatching(new RegExp(`^expires on \\d{4}-\\d\\d-\\d\\d, in ${19 + index} days$`)),
      remedy: "Renew all certificates: npm run rotate -- certificates.",
    }));
    const { exitCode, verdict, findings } = await eventually("all are shown", async () => {
      const status = await deployment.status();
      return status.findings.length >= aging.length && status;
    });
    expect([exitCode, verdict, findings]).toEqual([3, "degraded", expected]);
    const text = await deployment.script("scripts/status.ts");
    expect(text.exitCode).toBe(3);
    for (const { subject, problem, remedy } of findings)
      expect(text.all).toContain(`! ${subject}: ${problem}. ${remedy}`);
    // A server knows its own, and tells the others.
    expect(
      await eventually("the read-only server tells it", async () => {
        const alerts = await certificateAlerts("read-only-server");
        return alerts.length > 0 && alerts;
      }),
    ).toMatchObject([
      {
        key: "certificate:secondary",
        severity: "warning",
        problem: expect.stringMatching(/, in 20 days$/),
        remedy: 'Renew all certificates: "npm run rotate -- certificates".',
      },
    ]);
  });

  it("of everything, one that was interrupted: what was in use before goes on until it is finished, and the status says how", async () => {
    const sealed = await sealedBy();
    // As a rotation leaves it that was killed before its first up.
    deployment.configure({ credentials: { ...inUse, key: [first("key"), next("key")] } });
    const report = await rotateLive(before, "--keep-former");
    expect(generationsIn(report)).toEqual([
      rotatable.map((kind) => `${kind} ${first(kind)},${next(kind)}`),
      rotatable.map((kind) => `${kind} ${next(kind)},${first(kind)}`),
    ]);
    expect((await before.request("primary-server", "/api/resources?limit=1")).status).toBe(200);
    expect(await sealedBy()).toContain(sealed);

    const status = await deployment.status();
    expect([status.exitCode, status.findings]).toEqual([
      3,
      rotatable.map((kind) => ({
        subject: `rotation of ${kind}`,
        problem: `is not finished: generation ${next(kind)} is in use, ${first(kind)} is still accepted`,
        remedy: `Finish it: npm run rotate -- ${kind}`,
      })),
    ]);
    expect(await certificateAlerts("read-only-server")).toEqual([]);
  });

  it("is finished by the same command; clients that know only the old authority go on", async () => {
    const sealed = await sealedBy();
    const { caCertificate } = before.stack.access;
    const report = await rotateLive(nodes.knowing({ caCertificate }));
    expect(generationsIn(report)).toEqual([rotatable.map((kind) => `${kind} ${next(kind)}`)]);
    // Four logins, six certificates and their authority, three servers' keys, three servers' tokens.
    expect(report.checks).toHaveLength(4 + 7 + 3 + 3);
    for (const check of report.checks) expect(check).toMatchObject({ ok: true });
    expect(report.encryptedAgain).toBeGreaterThan(0);
    const key = await sealedBy();
    expect([key === sealed, key.split("\n").length]).toEqual([false, 1]);
    await healthy(deployment);
  });

  it("then the old passwords are refused, and the replica streams again with the new one", async () => {
    const fresh = await rolePasswords(deployment, nodes);
    const databases = {
      application: "vault",
      migration: "vault",
      monitoring: "postgres",
      operator: "postgres",
    };
    for (const [user, database] of Object.entries(databases)) {
      const role = user as keyof typeof databases;
      for (const name of ["shared", "read-only"] as const) {
        const login = (password: string) =>
          runAs(deployment, name, { user, password, database }, ["SELECT 1"]);
        await expect(login(old.passwords[role])).rejects.toThrow("password authentication failed");
        await login(fresh[role]);
      }
    }
    expect(fresh.replication).not.toBe(old.passwords.replication);
    expect(
      await nodes.sql("shared-database", "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"),
    ).toBe("t");
    await healthy(deployment, 30);
  });

  it("what the old authority has signed is refused, and the old token", async () => {
    const pair = { certificate: old.certificate, key: old.certificateKey };
    const { caCertificate } = before.stack.access;
    expect(await accepts(pair, caCertificate)).toBe(true);
    const { access } = nodes.stack;
    expect(access.caCertificate).not.toContain(caCertificate.trim());
    for (const node of nodes.names) {
      const trusted = await fileOf(node, "ca.crt");
      expect([node, trusted, await accepts(pair, trusted)]).toEqual([
        node,
        access.caCertificate.trim(),
        false,
      ]);
    }
    const withOldToken = nodes.knowing({ adminToken: before.stack.adminToken });
    expect((await withOldToken.request("gateway", "/api/resources?limit=1")).status).toBe(401);
    const { certificates } = await deployment.status();
    expect(certificates.map(({ of }) => of)).toEqual([...nodes.names, "authority"]);
    const served = new X509Certificate(await fileOf("gateway", "gateway.pem"));
    expect(certificates).toContainEqual({
      of: "gateway",
      expiresAt: new Date(served.validTo).toISOString(),
      detail: null,
    });
  });

  it("of what was replaced, the state keeps only the old key: what is read from an old backup needs it", async () => {
    const { stdout } = await deployment.pulumi(["stack", "export"]);
    const kept = [
      ...stdout.matchAll(/::credentials-(?:encryption-key|authority|login-operator|admin-token)[^"]*/g),
    ];
    expect(new Set(kept.map(([name]) => name))).toEqual(
      new Set([
        "::credentials-encryption-key",
        `::credentials-encryption-key-${next("key")}`,
        `::credentials-authority-${next("certificates")}`,
        `::credentials-login-operator-${next("passwords")}`,
        `::credentials-admin-token-${next("token")}`,
      ]),
    );
  });
});

/** Whether a client that trusts `ca` accepts a server with this certificate, in a real handshake. */
async function accepts(
  { certificate: cert, key }: { readonly certificate: string; readonly key: string },
  ca: string,
): Promise<boolean> {
  const server = createServer({ cert, key }, (socket) => socket.end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({
    host: "127.0.0.1",
    port,
    servername: "primary-server",
    ca,
    rejectUnauthorized: false,
  });
  await once(client, "secureConnect");
  const { authorized } = client;
  client.destroy();
  server.close();
  return authorized;
}
