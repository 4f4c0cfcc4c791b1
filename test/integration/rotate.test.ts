import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { beforeAll, describe, expect, it } from "vitest";
import type { Rotatable } from "../../core/rotation.ts";
import type { WriteLoad } from "../../scripts/load/writeLoad.ts";
import { Deployment, type ScriptResult } from "../support/deployment.ts";
import { healthy, Nodes } from "../support/nodes.ts";
import { ReadProbe } from "../support/readProbe.ts";
import { rolePasswords, runAs } from "../support/roles.ts";
import { damages, undamaged, underLoad } from "../support/transition.ts";

const folder = "/var/lib/pg-continuity/config";

describe.sequential("rotation on a running deployment", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    // What a test file before has taken back from the config, but not applied, would be refused.
    const { exitCode, all } = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
    expect([exitCode, exitCode === 0 ? "" : all]).toEqual([0, ""]);
    nodes = await Nodes.of(deployment);
  });

  const rotate = (kind: Rotatable, ...options: string[]): Promise<ScriptResult> =>
    deployment.script("scripts/rotate.ts", [kind, "--json", ...options]);
  const fileOf = async (node: string, name: string) =>
    (await nodes.exec(node, "cat", `${folder}/${name}`)).stdout;
  const postgresStarts = () =>
    Promise.all(
      ["shared-database", "read-only-database"].map((node) =>
        nodes.sql(node, "SELECT pg_postmaster_start_time()"),
      ),
    );

  /**
   * Rotates while clients write over kept connections and one reads over new ones, all with what they knew before;
   * nothing is restarted, no request fails.
   */
  async function rotateLive(kind: Rotatable): Promise<{ report: RotationReport; load: WriteLoad }> {
    const id = await nodes.store(`before the rotation of ${kind}`, `kept ${kind}`);
    const before = [await nodes.starts(), await postgresStarts()];
    const probe = new ReadProbe(nodes, `/api/resources/${id}`);
    const { result, load, report } = await underLoad(deployment, () => rotate(kind)).finally(() =>
      probe.stop(),
    );
    expect([result.exitCode, result.exitCode === 0 ? "" : result.all]).toEqual([0, ""]);
    expect(report.failed).toEqual([]);
    expect(probe.failed).toEqual([]);
    expect([await nodes.starts(), await postgresStarts()]).toEqual(before);
    await deployment.reread();
    nodes = await Nodes.of(deployment);
    expect(await damages(deployment, load)).toEqual(undamaged);
    for (const server of ["primary-server", "secondary-server", "read-only-server"])
      expect(await nodes.reveal(server, id)).toBe(`kept ${kind}`);
    await healthy(deployment);
    const printed: RotationReport = JSON.parse(result.stdout);
    for (const check of printed.checks) expect(check).toMatchObject({ ok: true });
    return { report: printed, load };
  }

  interface RotationReport {
    readonly applied: number[];
    readonly steps: readonly { readonly generations: number[]; readonly meaning: string }[];
    readonly checks: readonly { readonly what: string; readonly ok: boolean; readonly detail: string }[];
    readonly encryptedAgain?: number;
  }

  it("passwords: the old ones are refused, the replica streams again with the new one", async () => {
    const old = await rolePasswords(deployment, nodes);
    const { report } = await rotateLive("passwords");
    expect(report.steps.map(({ generations }) => generations)).toEqual([[1, 2], [2, 1], [2]]);
    expect(report.checks).toHaveLength(4);
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
        await expect(login(old[role])).rejects.toThrow("password authentication failed");
        await login(fresh[role]);
      }
    }
    expect(fresh.replication).not.toBe(old.replication);
    expect(
      await nodes.sql("shared-database", "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"),
    ).toBe("t");
    await healthy(deployment, 30);
  });

  it("certificates: what the old authority has signed is refused, clients that know only it go on", async () => {
    const [certificate = "", key = ""] = [
      await fileOf("primary-server", "node.crt"),
      await fileOf("primary-server", "node.key"),
    ];
    const { access: before } = await deployment.deployed();
    await rotateLive("certificates");
    expect(await accepts({ certificate, key }, before.caCertificate)).toBe(true);
    const { access } = await deployment.deployed();
    expect(access.caCertificate).not.toContain(before.caCertificate.trim());
    for (const node of nodes.names) {
      expect(await fileOf(node, "ca.crt")).toBe(access.caCertificate.trim());
      expect([node, await accepts({ certificate, key }, await fileOf(node, "ca.crt"))]).toEqual([
        node,
        false,
      ]);
    }
    const { certificates } = await deployment.status();
    expect(certificates.map(({ of }) => of)).toEqual([...nodes.names, "authority"]);
    const served = new X509Certificate(await fileOf("gateway", "gateway.pem"));
    expect(certificates).toContainEqual({
      of: "gateway",
      expiresAt: new Date(served.validTo).toISOString(),
      detail: null,
    });
  });

  it("the key: one that was interrupted goes on, everything is encrypted again, the old key is gone", async () => {
    const sealedBy = () =>
      nodes.sql("shared-database", "SELECT DISTINCT secret_key_id FROM vault.resources", "vault");
    const [old, oldFile] = [await sealedBy(), await fileOf("primary-server", "encryption.key")];
    // As a rotation leaves it that was killed before its first up.
    deployment.configure({ credentials: { passwords: [2], certificates: [2], key: [1, 2] } });
    const { report, load } = await rotateLive("key");
    expect(report.steps.map(({ generations }) => generations)).toEqual([[1, 2], [2, 1], [2]]);
    expect(report.encryptedAgain).toBeGreaterThan(0);
    expect(load.acknowledged.length).toBeGreaterThan(0);
    expect(await sealedBy()).not.toBe(old);
    expect((await sealedBy()).split("\n")).toHaveLength(1);
    for (const server of ["primary-server", "secondary-server", "read-only-server"])
      expect(await fileOf(server, "encryption.key")).not.toContain(oldFile.trim());
    const { stdout } = await deployment.pulumi(["stack", "export"]);
    const kept = [...stdout.matchAll(/::credentials-(?:encryption-key|authority|login-operator)[^"]*/g)];
    expect(new Set(kept.map(([name]) => name))).toEqual(
      new Set([
        // What is read from an old backup needs it.
        "::credentials-encryption-key",
        "::credentials-encryption-key-2",
        "::credentials-authority-2",
        "::credentials-login-operator-2",
      ]),
    );
  });

  it("a generation out of its order is refused: in the report, and before anything is delivered", async () => {
    deployment.configure({ credentials: { passwords: [2], certificates: [2], key: [3] } });
    try {
      const reason =
        "key: generation [2] must not be followed by [3]: 3 would be used before every node accepts it";
      const preview = await deployment.script("scripts/preview.ts");
      expect([preview.exitCode, preview.all]).toEqual([3, expect.stringContaining(reason)]);
      const up = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
      expect([up.exitCode === 0, up.all]).toEqual([false, expect.stringContaining(reason)]);
      expect(up.all).not.toContain("configure-");
    } finally {
      deployment.configure({ credentials: { passwords: [2], certificates: [2], key: [2] } });
    }
    expect((await deployment.pulumi(["up", "--yes", "--skip-preview"])).exitCode).toBe(0);
    await healthy(deployment);
  });

  it("is not started where the config has other changes, and says so; a dry run only tells", async () => {
    const dry = await rotate("passwords", "--dry-run");
    expect([dry.exitCode, JSON.parse(dry.stdout)]).toMatchObject([0, { applied: [2], reasons: [] }]);
    deployment.configure({ displayNames: { primary: "Another name" } });
    try {
      const { exitCode, all } = await rotate("passwords");
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
