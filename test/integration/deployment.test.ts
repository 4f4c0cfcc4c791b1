import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Status } from "../../core/status.ts";
import { statusSchema } from "../../core/statusSchema.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";
import type { Overview } from "../../server/overview/schema.ts";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";

describe("a full deployment", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
  });

  it("has the outputs that other programs use", async () => {
    const { stdout } = await deployment.pulumi(["stack", "output", "--json", "--show-secrets"]);
    const address = z.object({ host: z.literal("127.0.0.1"), port: z.number().int() });
    const url = z.string().regex(/^https:\/\/127\.0\.0\.1:\d+$/);
    const outputs = z
      .object({
        gatewayUrl: url,
        serverUrls: z.strictObject({ primary: url, secondary: url, "read-only": url }),
        databases: z.strictObject({ shared: address, "read-only": address }),
        caCertificate: z.string(),
        adminToken: z.string().regex(/^[\w-]{43}$/),
        model: z.literal("full"),
      })
      .parse(JSON.parse(stdout));
    expect(new X509Certificate(outputs.caCertificate).ca).toBe(true);
  });

  it("shows the administrator's token only to who asks for secrets", async () => {
    const { stdout } = await deployment.pulumi(["stack", "output", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ adminToken: "[secret]", access: "[secret]", model: "full" });
  });

  it("does the main job: stored through the gateway, read through every server from its own database", async () => {
    const id = await nodes.store("main job", "s3cret of the main job");
    const sources: Record<string, unknown> = {};
    for (const server of ["primary-server", "secondary-server", "read-only-server"]) {
      expect(
        await eventually(`${server} has it`, async () => {
          const secret = await nodes.reveal(server, id);
          return secret.startsWith("404") ? undefined : secret;
        }),
      ).toBe("s3cret of the main job");
      sources[server] = (await nodes.request(server, `/api/resources/${id}`)).headers["x-database"];
    }
    expect(sources).toEqual({
      "primary-server": "shared",
      "secondary-server": "shared",
      "read-only-server": "read-only",
    });
  });

  it("says by the command for alerts that nobody is told yet", async () => {
    const { exitCode, all } = await deployment.script("scripts/alerts.ts", ["test"]);
    expect([exitCode, all]).toEqual([
      1,
      "error: the primary server has sent nothing: 409, No channel is configured for alerts (docs/alerts.md).",
    ]);
    const other = await deployment.script("scripts/alerts.ts", ["test", "--server", "third"]);
    expect([other.exitCode, other.all]).toEqual([1, expect.stringContaining("Allowed choices are primary")]);
  });

  it("streams over TLS, through its slot", async () => {
    const sql = `SELECT a.usename, a.state, t.ssl, t.version >= 'TLSv1.2', s.slot_name, s.active
      FROM pg_stat_replication a JOIN pg_stat_ssl t USING (pid) JOIN pg_replication_slots s ON s.active_pid = a.pid`;
    expect(await nodes.sql("shared-database", sql)).toBe("replication|streaming|t|t|read_only|t");
    expect(await nodes.sql("read-only-database", "SELECT pg_is_in_recovery()")).toBe("t");
    expect(await nodes.sql("shared-database", "SHOW data_checksums")).toBe("on");
  });

  it("has as little WAL on the standby as PostgreSQL allows, which a rewind would copy, and databases that come first", async () => {
    const sizes = "SELECT current_setting('wal_keep_size') || ' ' || current_setting('min_wal_size')";
    expect(await nodes.sql("read-only-database", sizes)).toBe("8MB 8MB");
    for (const [node, shares] of [
      ["shared-database", "4096"],
      ["read-only-database", "4096"],
      ["primary-server", "0"],
    ] as const)
      expect(await nodes.inspect(node, "{{.HostConfig.CpuShares}}")).toBe(shares);
  });

  it("refuses writes on the read-only server with a clear body", async () => {
    const answer = await nodes.request("read-only-server", "/api/resources", {
      method: "POST",
      body: { name: "x", account: "y", secret: "z" },
    });
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body).type).toBe("urn:pg-continuity:problem:read-only-continuity");
  });

  it("has a status that programs can read, and exit code 0", async () => {
    const status = await healthy(deployment);
    const { exitCode, ...json } = await deployment.status();
    expect(exitCode).toBe(0);
    expect(statusSchema.parse(json)).toEqual(json);
    expect(status).toMatchObject({ stack: deployment.stack, model: "full", phase: "normal", verdict: "ok" });
    // Another file's transitions may have begun timelines; both databases are on the same.
    const timeline = status.databases[0]?.timeline;
    expect(timeline).toBeGreaterThanOrEqual(1);
    expect(status.databases.map((database) => [database.name, database.role, database.timeline])).toEqual([
      ["shared", "primary", timeline],
      ["read-only", "standby", timeline],
    ]);
    expect(status.databases[1]).toMatchObject({
      slot: { name: "read_only", active: true, walStatus: "reserved" },
      streaming: true,
    });
    expect(Date.now() - Date.parse(status.observedAt)).toBeLessThan(60_000);
  });

  it("is watched in the terminal: observed again and again, until it is interrupted", async () => {
    const args = ["scripts/bootstrap.mjs", "scripts/status.ts", "--stack", deployment.stack];
    const watching = execa(process.execPath, [...args, "--watch", "--json", "--interval", "1"], {
      cwd: projectFolder,
      env: deployment.environment,
      extendEnv: false,
      reject: false,
    });
    const seen: Status[] = [];
    for await (const line of watching) {
      seen.push(statusSchema.parse(JSON.parse(line)) as Status);
      if (seen.length === 3) watching.kill("SIGINT");
    }
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(new Set(seen.map(({ observedAt }) => observedAt)).size).toBe(seen.length);
    // The same facts as on the page.
    const page = JSON.parse((await nodes.request("gateway", "/api/high-availability")).body) as Overview;
    expect(seen.at(-1)).toMatchObject({ phase: page.phase, summary: page.summary });
  });

  it("has nothing to do on a second up, and runs no command", async () => {
    const before = await nodes.starts();
    const { exitCode, stdout } = await deployment.pulumi(["up", "--yes", "--skip-preview", "--json"]);
    expect(exitCode).toBe(0);
    const operations = new Map<string, number>();
    for (const line of stdout.split("\n").filter(Boolean)) {
      const operation: string | undefined = JSON.parse(line).resourcePreEvent?.metadata?.op;
      if (operation) operations.set(operation, (operations.get(operation) ?? 0) + 1);
    }
    expect([...operations.keys()]).toEqual(["same"]);
    expect(await nodes.starts()).toEqual(before);
  });

  it("previews no changes", async () => {
    const { exitCode, all } = await deployment.preview("--expect-no-changes");
    expect([exitCode, all]).toEqual([0, expect.stringMatching(/\d+ unchanged/)]);
  });

  it("shows no drift on a refresh", async () => {
    const { exitCode, all } = await deployment.pulumi(["refresh", "--preview-only", "--expect-no-changes"]);
    expect([exitCode, all]).toEqual([0, expect.stringMatching(/\d+ unchanged/)]);
  });

  it("sees with exit code 7 what a changed setting would do, and does not do it", async () => {
    const before = await nodes.starts();
    const changed = join(deployment.folder, "changed.yaml");
    const config = readFileSync(deployment.configFile, "utf8");
    writeFileSync(changed, config.replace("config:", "config:\n  pg-continuity:slotWalKeepMegabytes: 512"));
    const { exitCode, all } = await deployment.preview("--expect-no-changes", "--config-file", changed);
    expect([exitCode, all]).toEqual([7, expect.stringContaining("configure-shared-database")]);
    expect(await nodes.sql("shared-database", "SHOW max_slot_wal_keep_size")).toBe("1GB");
    expect(await nodes.starts()).toEqual(before);
  });
});
