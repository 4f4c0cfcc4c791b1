import { execa } from "execa";
import fc from "fast-check";
import { parseCronItems } from "graphile-worker";
import { describe, expect, it } from "vitest";
import { scheduleProblem } from "../../core/backups/settings.ts";
import { renderBackup } from "../../core/render/backup.ts";
import { renderPgHba } from "../../core/render/postgres.ts";
import { renderRolesSql } from "../../core/render/roles.ts";
import { scramVerifier } from "../../core/render/scram.ts";
import { renderServerConfig } from "../../core/render/server.ts";
import { progressOf } from "../../scripts/backup/now.ts";
import { tasksWith } from "../../server/schedule/tasks.ts";
import { credentials, topologyOf, twoHosts } from "../support/fixtures.ts";

const on = { backups: { schedule: "30 1 * * 0", keep: 3 } };
const login = {
  password: "password-of-the-backups",
  salt: Buffer.from("salt-of-backup-16").toString("base64"),
};

/** Whether the library that runs the scheduled work takes a schedule. */
function isTaken(schedule: string): boolean {
  try {
    parseCronItems([{ task: "backup", match: schedule }]);
    return true;
  } catch {
    return false;
  }
}

describe("a schedule of backups", () => {
  it.each([
    "0 2 * * *",
    "*/15 * * * *",
    "0 2,14 * * 1-5",
    "59 23 31 12 6",
    "0  2 * * *",
  ])("%s is one", (schedule) => {
    expect(scheduleProblem(schedule)).toBeUndefined();
    expect(isTaken(schedule.replace(/\s+/g, " "))).toBe(true);
  });

  it.each([
    ["@daily", /has 1 fields/],
    ["0 2 * * * *", /has 6 fields/],
    ["60 2 * * *", /minute 60/],
    ["0 2 0 * *", /day of the month 0/],
    ["0 2 * 13 *", /month 13/],
    ["0 2 * * 7", /day of the week 7/],
    ["0 5-2 * * *", /hour 5-2/],
    ["0 */0 * * *", /hour \*\/0/],
    ["0 2, * * *", /hour 2,/],
    ["0 two * * *", /hour two/],
  ])("%s is none", (schedule, problem) => {
    expect(scheduleProblem(schedule)).toMatch(problem);
  });

  it("is never one that the library of the scheduled work refuses", () => {
    const item = fc.oneof(
      fc.constantFrom("*", "*/5", "1-3", "0", "7", "12", "31", "59", "60", "2,4", "3-1", "", "x"),
      fc.nat(70).map(String),
    );
    fc.assert(
      fc.property(fc.array(item, { minLength: 5, maxLength: 5 }), (items) => {
        const schedule = items.join(" ");
        fc.pre(scheduleProblem(schedule) === undefined);
        expect(isTaken(schedule)).toBe(true);
      }),
    );
  });
});

describe("backups that are turned on", () => {
  const topology = topologyOf(on);
  const { backup } = topology;
  if (backup === null) throw new Error("there are none");

  it("run beside the read-only database, else beside the shared one", () => {
    const hostOf = (config: object) => topologyOf({ ...on, ...config }).backup?.host.name;
    expect(hostOf(twoHosts)).toBe("beta");
    expect(hostOf({ ...twoHosts, model: "secondary", placement: { "shared-database": "beta" } })).toBe(
      "beta",
    );
    expect(topologyOf().backup).toBeNull();
  });

  it("know both databases, as they are reached from there, and how many stay", () => {
    const files = (config: object) => {
      const both = topologyOf({ ...on, ...config });
      if (both.backup === null) throw new Error("there are none");
      const rendered = renderBackup(both, both.backup, { login, caCertificate: "AUTHORITY" });
      return Object.fromEntries(rendered.map(({ name, content }) => [name, content]));
    };
    const own = { node: "backup", keep: 3, user: "backup", database: "vault" };
    const { "backup.json": here = "", ...others } = files({});
    expect(JSON.parse(here)).toEqual({
      ...own,
      hosts: "shared-database,read-only-database",
      ports: "5432,5432",
    });
    expect(others).toEqual({ pgpass: "*:*:*:backup:password-of-the-backups\n", "ca.crt": "AUTHORITY" });
    const { "backup.json": beyond = "" } = files(twoHosts);
    expect(JSON.parse(beyond)).toEqual({ ...own, hosts: "10.0.0.1,read-only-database", ports: "5451,5432" });
  });

  it("have a login of their own, which copies and sees the record, and nothing else", () => {
    const lines = renderPgHba(topology)
      .split("\n")
      .filter((line) => line.includes("\tbackup\t"));
    expect(lines).toEqual([
      "hostssl\tvault\tbackup\tsamenet\tscram-sha-256",
      "hostssl\treplication\tbackup\tsamenet\tscram-sha-256",
    ]);
    const sql = renderRolesSql(credentials, undefined, login);
    expect(sql).toContain(scramVerifier(login.password, login.salt));
    expect(sql).not.toContain(login.password);
    const granted = sql.split("\n").filter((line) => /^GRANT .* TO (.*, )?backup;$/.test(line));
    expect(granted).toEqual([
      'GRANT CONNECT ON DATABASE "vault" TO backup;',
      "GRANT USAGE ON SCHEMA continuity TO backup;",
      "GRANT SELECT, INSERT, UPDATE ON continuity.backup TO backup;",
      "GRANT EXECUTE ON FUNCTION continuity.data_bytes() TO backup;",
    ]);
  });

  it("leave no trace in what is delivered where they are turned off", () => {
    const off = topologyOf();
    const [server] = off.servers;
    const [database] = off.databases;
    if (!server || !database) throw new Error("a model without nodes");
    expect(renderPgHba(off)).not.toContain("backup");
    expect(renderServerConfig(off, server, false)).not.toContain("backup");
    expect(JSON.parse(renderServerConfig(topology, server, false)).backups).toEqual({
      schedule: "30 1 * * 0",
      alertAfterHours: 26,
    });
    // What is taken back where they were on before, and nothing is touched where they never were.
    const about = renderRolesSql(credentials)
      .split("\n")
      .filter((line) => /\bbackup/.test(line) && !line.includes("continuity.observation"));
    expect(about).toHaveLength(3);
    for (const line of about) expect(line).toContain("continuity.backup_since");
  });

  it("are a task by their own schedule, and none where they are off", () => {
    const scheduleOf = (backups?: { schedule: string }) =>
      tasksWith(backups).find(([name]) => name === "backup")?.[1].schedule;
    expect(scheduleOf({ schedule: "30 1 * * 0" })).toBe("30 1 * * 0");
    expect(scheduleOf()).toBeUndefined();
    expect(tasksWith(undefined)).toHaveLength(tasksWith({ schedule: "0 2 * * *" }).length - 1);
  });
});

describe("the container's choices", () => {
  const call = async (script: string, input = "") => {
    const { stdout } = await execa("bash", ["-c", `. images/database/lib/backup.sh; ${script}`], { input });
    return stdout;
  };
  const names = ["20260103T020000Z-3", "20260101T020000Z-1", "20260102T020000Z-10", "20260102T020000Z-2"];

  it.each([
    [1, ["20260101T020000Z-1", "20260102T020000Z-10", "20260102T020000Z-2"]],
    [3, ["20260101T020000Z-1"]],
    [4, []],
    [9, []],
  ])("with %i kept, the oldest beyond go", async (keep, removed) => {
    const said = await call(`prune_choice ${keep}`, `${names.join("\n")}\n`);
    expect(said.split("\n").filter((line) => line !== "")).toEqual(removed);
  });

  it("are to copy only where there is room, also for what is written meanwhile", async () => {
    const mebibyte = 1024 ** 2;
    expect(await call(`room_problem ${100 * mebibyte} ${200 * mebibyte}`)).toBe("");
    expect(await call(`room_problem ${100 * mebibyte} ${173 * mebibyte}`)).toMatch(
      /^no room: about 174 MB are needed, 173 MB are free .*backups\.keep/,
    );
  });
});

it("progress is told in megabytes, as far as PostgreSQL knows it", () => {
  const mebibyte = 1024 ** 2;
  const progress = { phase: "streaming database files", bytes: 12 * mebibyte, of: 40 * mebibyte };
  expect(progressOf({ state: "running", progress })).toBe("running: streaming database files, 12 of 40 MB");
  expect(progressOf({ state: "running", progress: { ...progress, of: null } })).toBe("running");
  expect(progressOf({ state: "requested", progress: null })).toBe("requested");
});
