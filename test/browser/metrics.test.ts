import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { projectFolder } from "../../scripts/setup/paths.ts";
import { findPromtool } from "../../scripts/setup/testTools.ts";
import { until } from "../support/serverPostgres.ts";
import type { ServerProcess } from "../support/serverProcess.ts";
import { ServerWorld } from "../support/serverWorld.ts";

const promtool = async (args: readonly string[], input?: string) => {
  const program = findPromtool(process.env.PATH);
  if (program === undefined) throw new Error('promtool is not there: run "npm test", which fetches it');
  const { all, exitCode } = await execa(program, args, {
    cwd: projectFolder,
    all: true,
    reject: false,
    ...(input === undefined ? {} : { input }),
  });
  return { all, exitCode };
};

describe("the metrics", { timeout: 60_000 }, () => {
  let world: ServerWorld;
  let primary: ServerProcess;

  beforeAll(async () => {
    world = await ServerWorld.create("metrics");
    primary = await world.start("primary");
  }, 180_000);
  afterAll(async () => world[Symbol.asyncDispose](), 60_000);

  const sample = async (name: string): Promise<number | undefined> => {
    const line = (await primary.text("/metrics"))
      .split("\n")
      .find((candidate) => candidate.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  };

  test("are what promtool accepts, need no sign-in, and tell what is so", async () => {
    const answer = await primary.request("GET", "/metrics", undefined, { authorization: "" });
    expect(answer).toMatchObject({
      status: 200,
      headers: { "content-type": expect.stringContaining("version=0.0.4") },
    });
    expect(await promtool(["check", "metrics"], answer.text)).toEqual({ all: "", exitCode: 0 });
    await until("the databases are known", async () => (await sample('pg_up{database="read-only"}')) === 1);
    expect(await sample('pg_continuity_writable{database="shared"}')).toBe(1);
    await until(
      "the lag is known",
      async () => (await sample('pg_replication_lag_bytes{database="read-only"}')) !== undefined,
    );
    expect(await sample('pg_continuity_server_active{server="secondary"}')).toBe(0);
  });

  test("cost little: the server looks at each database over one connection, for less than a hundredth of a core", async () => {
    const looks = `from pg_stat_activity where usename = 'application' and query ~ 'pg_control_system|pg_stat_wal_receiver'`;
    /** Processor time of the connections by which a server watches; Linux counts in hundredths of a second. */
    const used = async (database: string) => {
      const statement = `select pid, split_part(trim(e'\\n' from pg_read_file('/proc/' || pid || '/stat')), ') ', 2) ${looks}`;
      const rows = await world.postgres.sql(database, statement);
      const ticks = rows.map((row) => (row.split("|")[1] ?? "").split(" "));
      return {
        connections: rows.length,
        seconds: ticks.reduce((sum, fields) => sum + Number(fields[11]) + Number(fields[12]), 0) / 100,
      };
    };
    const measuredSeconds = 10;
    const both = () => Promise.all(["shared", "read-only"].map(used));
    const before = await both();
    await sleep(measuredSeconds * 1000);
    for (const [index, { connections, seconds }] of (await both()).entries()) {
      expect([before[index]?.connections, connections]).toEqual([1, 1]);
      expect((seconds - (before[index]?.seconds ?? 0)) / measuredSeconds).toBeLessThanOrEqual(0.01);
    }
  });

  test("tell of a database that is gone, and nothing of it that is not known any more", async () => {
    await world.postgres.docker("kill", "read-only");
    await until("it is down", async () => (await sample('pg_up{database="read-only"}')) === 0, 5);
    expect(await sample('pg_replication_lag_bytes{database="read-only"}')).toBeUndefined();
    expect(await sample('pg_continuity_timeline{database="read-only"}')).toBeUndefined();
  });

  test("have alert rules that promtool accepts, and that fire as their tests say", async () => {
    for (const args of [
      ["check", "rules", "monitoring/alerts.yml"],
      ["test", "rules", "monitoring/alerts.test.yml"],
    ]) {
      const { all, exitCode } = await promtool(args);
      expect([args, all, exitCode]).toEqual([args, expect.stringMatching(/SUCCESS/), 0]);
    }
  });

  test("are the ones that the dashboard and the rules ask for", async () => {
    const known = new Set(
      [...(await primary.text("/metrics")).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name),
    );
    const { stdout: files } = await execa("cat", ["monitoring/dashboard.json", "monitoring/alerts.yml"], {
      cwd: projectFolder,
    });
    const asked = new Set(files.match(/\b(?:pg|process)_[a-z_]+/g));
    expect(asked.size).toBeGreaterThan(10);
    expect([...asked].filter((name) => !known.has(name))).toEqual([]);
  });
});
