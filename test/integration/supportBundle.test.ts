import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Deployment, type ScriptResult } from "../support/deployment.ts";
import { healthy, Nodes } from "../support/nodes.ts";
import { secretsOf } from "../support/secrets.ts";
import { filesOf, leaksOf, withPlanted } from "../support/supportBundle.ts";

describe("the support bundle of a stack with a server that is down", () => {
  let deployment: Deployment;
  let secrets: ReadonlyMap<string, string>;
  let file: string;
  let result: ScriptResult;
  let files: ReadonlyMap<string, string>;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    const nodes = await Nodes.of(deployment);
    secrets = await secretsOf(deployment);
    file = join(deployment.folder, "bundle.tar.gz");
    const down = nodes.container("secondary-server");
    await nodes.docker("kill", down);
    try {
      result = await withPlanted(nodes, secrets, () =>
        deployment.script("scripts/supportBundle.ts", ["--output", file, "--lines", "200"]),
      );
    } finally {
      await nodes.docker("start", down);
      await healthy(deployment, 60);
    }
    files = await filesOf(readFileSync(file));
  });

  it("is written, for its owner alone, and tells what was collected and what could not be", () => {
    expect([result.exitCode, result.stdout]).toEqual([3, file]);
    expect(result.all).toMatch(/ok +nodes\/primary-server\/log\.txt: \d+ KiB/);
    expect(result.all).toMatch(/failed nodes\/secondary-server\/health\.json\.failed\.txt: .*ECONNREFUSED/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("holds status, logs, versions, configuration, history and statistics", () => {
    const json = (path: string) => JSON.parse(files.get(path) ?? "null");
    expect(json("status.json")).toMatchObject({ stack: deployment.stack, verdict: "degraded" });
    expect(files.get("status.txt")).toContain("secondary server");
    expect(json("versions.json")).toMatchObject({
      node: process.version,
      pulumi: expect.stringMatching(/^v3/),
    });
    expect(json("configuration/config.json")).toMatchObject({ "pg-continuity:ports": {} });
    expect(json("configuration/settings.json")).toMatchObject({ model: "full" });
    expect(json("hosts/local.json")).toMatchObject({ version: { Version: expect.any(String) } });
    expect(json("history.json")).toContainEqual(expect.objectContaining({ transitionId: "planted" }));
    expect(files.get("nodes/gateway/statistics.csv")).toMatch(/^# pxname[\s\S]*servers,primary,/);
    expect(json("nodes/shared-database/settings.json")).toContainEqual(
      expect.objectContaining({ name: "max_slot_wal_keep_size" }),
    );
    expect(json("nodes/shared-database/replication.json")).toMatchObject([{ state: "streaming" }]);
    expect(files.get("nodes/shared-database/log.txt")).toMatch(/^2\d{3}-\d\d-\d\dT\S+ /);
    expect(json("nodes/primary-server/high-availability.json")).toMatchObject({ server: "primary" });
    expect(files.get("nodes/primary-server/metrics.txt")).toContain("# TYPE pg_up gauge");
  });

  it("holds of what is down its log and a file that says why there is no more", () => {
    expect(files.get("nodes/secondary-server/log.txt")).toContain('"server":"secondary"');
    expect(files.get("nodes/secondary-server/health.json.failed.txt")).toMatch(
      /^This could not be collected: .*ECONNREFUSED/,
    );
    expect(files.has("nodes/secondary-server/health.json")).toBe(false);
  });

  it("holds no secret in any spelling, although all were written into the history", () => {
    expect(secrets.size).toBeGreaterThan(10);
    expect(leaksOf(files, secrets)).toEqual([]);
    expect(files.get("history.json")).toContain("[removed]");
    const { Config } = JSON.parse(files.get("nodes/shared-database/inspect.json") ?? "{}");
    const values = (Config.Env as string[]).filter((entry) => !/^(PATH|LANG|PGDATA)=/.test(entry));
    for (const entry of values) expect(entry).toMatch(/=\[removed\]$/);
  });

  it("is refused, before anything is asked, where the file exists already", async () => {
    writeFileSync(file, "mine");
    const again = await deployment.script("scripts/supportBundle.ts", ["--output", file]);
    expect([again.exitCode, again.all]).toEqual([
      1,
      `error: --output ${file}: this file exists already. Name another one, or a folder.`,
    ]);
    expect(readFileSync(file, "utf8")).toBe("mine");
  });
});
