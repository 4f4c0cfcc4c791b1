import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ruleNames } from "../../core/alerts/settings.ts";
import type { Backup } from "../../scripts/backup/list.ts";
import type { Overview } from "../../server/overview/schema.ts";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { WebhookReceiver } from "../support/receivers.ts";
import { runAs } from "../support/roles.ts";
import { secretsOf } from "../support/secrets.ts";

const folder = "/var/lib/postgresql/backups";

// One story, told in order: turned on, made, restored, interrupted, too old, turned off.
describe.sequential("backups of a running deployment", { timeout: 120_000 }, () => {
  let deployment: Deployment;
  let nodes: Nodes;
  /** What the servers tell people of: of the rules, only that of backups is asked. */
  let receiver: WebhookReceiver;
  let isOn = false;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    const address = await nodes.docker(
      ...["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", nodes.network],
    );
    receiver = await WebhookReceiver.listen(undefined, address.trim());
  });
  afterAll(async () => {
    await receiver?.close();
    await nodes?.docker("rm", "--force", "--volumes", restored());
    if (!isOn) return;
    deployment.configure({ backups: undefined, alerts: undefined });
    await deployment.pulumi(["up", "--yes", "--skip-preview"]);
  });

  const restored = () => `${nodes.container("backup")}-restored`;
  const now = () => deployment.script("scripts/backup.ts", ["now", "--json"]);
  const list = async () => {
    const { stdout, all } = await deployment.script("scripts/backup.ts", ["list", "--json"]);
    if (stdout === "") throw new Error(all);
    return JSON.parse(stdout) as readonly Backup[];
  };
  const made = async (): Promise<Backup> => {
    const { exitCode, stdout, all } = await now();
    if (exitCode !== 0) throw new Error(all);
    return JSON.parse(stdout) as Backup;
  };
  /** What lies on the disk, without the files with the figures. */
  const onDisk = async () => {
    const { stdout } = await nodes.exec("backup", "ls", folder);
    return stdout.split("\n").filter((name) => name !== "" && !name.endsWith(".json"));
  };

  /** As many stay as the setting says: of three the oldest has gone once this one was good. */
  const isKeptWith = async ({ name }: Backup) => {
    const [newest, second, oldest] = await list();
    expect(await onDisk()).toEqual([second?.name, name]);
    expect([newest, second, oldest].map((backup) => backup?.state)).toEqual(["good", "good", "removed"]);
  };

  it("are refused by name while none are made", async () => {
    const { exitCode, all } = await now();
    expect([exitCode, all]).toEqual([
      1,
      expect.stringContaining("pulumi config set --path 'backups.schedule'"),
    ]);
    expect((await nodes.request("gateway", "/api/tasks/backup/run", { method: "POST" })).status).toBe(409);
  });

  it("are turned on live: the preview says what for, and no container is touched", async () => {
    const before = await nodes.starts();
    deployment.configure({
      backups: { schedule: "0 2 * * *", keep: 2 },
      alerts: {
        ...{ delaySeconds: 1, recoverySeconds: 1 },
        silenced: ruleNames.filter((rule) => rule !== "backup-too-old"),
        webhook: { url: `http://${receiver.address}:${receiver.port}/` },
      },
    });
    isOn = true;
    const preview = await deployment.script("scripts/preview.ts", ["--json"]);
    const report = JSON.parse(preview.stdout);
    expect(report).toMatchObject({
      verdict: "changes",
      risk: "low",
      interruptions: { writes: { stops: false } },
    });
    expect(preview.stdout).toContain("makes backups; nobody connects to it");
    const { exitCode, all } = await deployment.up();
    if (exitCode !== 0) throw new Error(all);
    await deployment.reread();
    nodes = await Nodes.of(deployment);
    expect(await nodes.starts()).toEqual(before);
    expect((await deployment.pulumi(["preview", "--expect-no-changes"])).exitCode).toBe(0);
    expect((await deployment.status()).backups).toMatchObject({
      ...{ schedule: "0 2 * * *", container: "running", lastGood: null, detail: null },
    });
  });

  it("now: copied, verified, on record, and shown", async () => {
    await nodes.store("before the backup", "kept-in-the-backup");
    const backup = await made();
    expect(backup).toMatchObject({ state: "good", error: null, timeline: expect.any(Number) });
    expect(backup.bytes).toBeGreaterThan(5 * 1024 ** 2);
    expect(await onDisk()).toEqual([backup.name]);
    const verified = await nodes.exec("backup", "pg_verifybackup", "--quiet", `${folder}/${backup.name}`);
    expect(verified).toMatchObject({ exitCode: 0 });
    const { exitCode, backups } = await deployment.status();
    expect([exitCode, backups?.lastGood?.name]).toEqual([0, backup.name]);
    const shown = await deployment.script("scripts/backup.ts", ["list"]);
    expect(shown.stdout).toMatch(new RegExp(`${backup.name} .* good .* ${backup.timeline} `));
    const seconds = await eventually("the metric", async () => {
      const { body } = await nodes.request("read-only-server", "/metrics");
      return /^pg_continuity_backup_last_success_timestamp_seconds (\S+)/m.exec(body)?.[1];
    });
    expect(Number(seconds) * 1000).toBe(Date.parse(backup.endedAt ?? ""));
    await eventually("every server knows it", async () => {
      const { body } = await nodes.request("primary-server", "/api/high-availability");
      return JSON.parse(body).backups.record.lastGood?.name === backup.name;
    });
  });

  it("by the schedule: the task asks, and leaves an event", async () => {
    const tasks = JSON.parse((await nodes.request("gateway", "/api/tasks")).body).tasks;
    expect(tasks).toContainEqual(expect.objectContaining({ name: "backup", schedule: "0 2 * * *" }));
    expect((await nodes.request("gateway", "/api/tasks/backup/run", { method: "POST" })).status).toBe(202);
    const backup = await eventually("it is made", async () =>
      (await list()).find(
        ({ requestedBy, state }) => requestedBy.startsWith("schedule (") && state === "good",
      ),
    );
    const events = await nodes.request("gateway", "/api/audit?operation=task.backup");
    expect(JSON.parse(events.body).items[0]).toMatchObject({
      outcome: "success",
      details: { requested: backup.id },
    });
    expect(await onDisk()).toHaveLength(2);
  });

  it("the password is seen nowhere, and what the container may do is little", async () => {
    const secrets = await secretsOf(deployment);
    const password = secrets.get("credentials-login-backup.password") ?? "";
    expect(password.length).toBeGreaterThanOrEqual(40);
    const inspected = await nodes.docker("inspect", nodes.container("backup"));
    for (const [name, secret] of secrets)
      expect([name, `${inspected}${await nodes.log("backup")}`.includes(secret)]).toEqual([name, false]);
    const { stdout } = await nodes.exec("backup", "cat", "/proc/1/status");
    expect(stdout).toMatch(/^Uid:\t999\t.*CapEff:\t0{16}.*NoNewPrivs:\t1/ms);
    const config = "/var/lib/pg-continuity/config";
    expect((await nodes.exec("backup", "stat", "-L", "-c", "%a", `${config}/pgpass`)).stdout).toBe("600");
    const address = `host=shared-database user=backup dbname=vault sslmode=require passfile=${config}/pgpass`;
    for (const statement of [
      "SELECT * FROM vault.resources",
      "DELETE FROM continuity.backup",
      "SELECT pg_promote()",
    ]) {
      const { stderr } = await nodes.exec("backup", "psql", "-X", "-d", address, "-c", statement);
      expect([statement, stderr]).toEqual([statement, expect.stringContaining("permission denied")]);
    }
  });

  it("one is restored as docs/backups.md has it: beside the deployment first, then into it", async () => {
    const id = await nodes.store("lost by mistake", "and-found-again");
    const backup = await made();
    await isKeptWith(backup);
    expect((await nodes.request("gateway", `/api/resources/${id}`, { method: "DELETE" })).status).toBe(200);
    const image = await nodes.inspect("backup", "{{.Config.Image}}");
    await nodes.docker(
      ...[
        "run",
        "--detach",
        "--name",
        restored(),
        "--volume",
        `${nodes.container("backup")}-data:/backups:ro`,
      ],
      ...["--network", "none", "--entrypoint", "open-backup", image, backup.name ?? ""],
    );
    const inside = ["exec", restored()];
    const found = await eventually("the copy answers", () =>
      nodes.docker(
        ...[...inside, "psql", "-XAt", "-h", "/tmp", "-d", "vault"],
        ...["-c", `SELECT name FROM vault.resources WHERE id = '${id}'`],
      ),
    );
    expect(found).toBe("lost by mistake");

    const servers = nodes.names
      .filter((node) => node.endsWith("-server"))
      .map((node) => nodes.container(node));
    const engine = `--host=${nodes.engineUrl}`;
    await nodes.docker("stop", ...servers);
    try {
      const dump = execa("docker", [engine, ...inside, "pg_dump", "-h", "/tmp", "-Fc", "vault"], {
        encoding: "buffer",
      });
      const restore = ["pg_restore", "--clean", "--if-exists", "--single-transaction", "--dbname=vault"];
      await dump.pipe("docker", [engine, "exec", "-i", nodes.container("shared-database"), ...restore]);
    } finally {
      await nodes.docker("start", ...servers);
    }
    await healthy(deployment, 60);
    // The gateway turns to a server a moment after it does its duty again.
    await eventually(
      "it is there again",
      async () => (await nodes.reveal("gateway", id)) === "and-found-again",
    );
    const audit = await nodes.request("gateway", "/api/audit/verification");
    expect(JSON.parse(audit.body).servers).not.toContainEqual(
      expect.objectContaining({ problems: [expect.anything()] }),
    );
    await eventually("the newest backup is on record again", async () =>
      (await list()).some(({ name, state }) => name === backup.name && state === "good"),
    );
  });

  it("one whose container is killed half way is no backup", async () => {
    const before = await onDisk();
    const pid = Number(await nodes.inspect("backup", "{{.State.Pid}}"));
    const asked = now();
    await nodes.exec("backup", "sh", "-c", `until ls -d ${folder}/*.partial; do sleep 0.01; done`);
    process.kill(pid, "SIGKILL");
    const { exitCode, stdout } = await asked;
    expect(exitCode).toBe(3);
    const backup = JSON.parse(stdout) as Backup;
    expect(backup).toMatchObject({ state: "failed", error: "interrupted: its container ended meanwhile" });
    expect(await onDisk()).toEqual(before);
  });

  it("a failure is told with its reason", async () => {
    await nodes.sql("shared-database", "ALTER ROLE backup NOREPLICATION");
    const { exitCode, stdout } = await now();
    await nodes.sql("shared-database", "ALTER ROLE backup REPLICATION");
    expect([exitCode, JSON.parse(stdout).error]).toEqual([
      3,
      expect.stringMatching(/^pg_basebackup: .*permission/),
    ]);
  });

  it("a newest good one that is too old is told, once although every server watches", async () => {
    expect(receiver.texts).toEqual([]);
    // As if nothing had been made for more than a day.
    const times = ["requested_at", "started_at", "ended_at"].map(
      (time) => `${time} = ${time} - interval '27 h'`,
    );
    await nodes.sql(
      "shared-database",
      `UPDATE continuity.backup SET ${times.join(", ")} WHERE state = 'good'`,
      "vault",
    );
    const { name } = (await list()).find(({ state }) => state === "good") ?? {};
    const told = await eventually("it is told", async () => receiver.texts[0]);
    expect(told).toMatch(
      new RegExp(
        `^\\[${deployment.stack}\\] WARNING backups are too old: the newest good one \\(${name}\\) is 27 h old ` +
          "\\(limit 26 h\\); the last attempt failed at .*: pg_basebackup: .*permission",
      ),
    );
    for (const node of ["primary-server", "secondary-server", "read-only-server"]) {
      await eventually(`the ${node} shows it`, async () => {
        const { body } = await nodes.request(node, "/api/high-availability");
        const { alerts } = JSON.parse(body) as Overview;
        return alerts.some(({ key, firedAt }) => key === "backup-too-old" && firedAt !== null);
      });
    }
    const { findings, backups } = await deployment.status();
    expect(findings).toMatchObject([{ subject: "backups" }]);
    expect(backups?.lastFailure?.error).toMatch(/permission/);
  });

  it("the next ones are made all the same, after a promotion from the database that is writable then", async () => {
    const run = async (what: string) => {
      const { exitCode, all } = await deployment.script("scripts/transition.ts", [
        what,
        "--id",
        `BACKUP-${what}`,
      ]);
      if (exitCode !== 0) throw new Error(all);
    };
    const newest = (await list()).find(({ state }) => state === "good");
    await run("promote");
    try {
      expect(receiver.texts).toHaveLength(1);
      const backup = await made();
      expect(backup).toMatchObject({ state: "good", timeline: (newest?.timeline ?? 0) + 1 });
    } finally {
      await run("restore");
    }
    await healthy(deployment);
    await eventually("people are told that it is over", async () => receiver.texts.length > 1);
    expect(receiver.texts.map((text) => /(WARNING|RECOVERED:) backups/.exec(text)?.[1])).toEqual([
      "WARNING",
      "RECOVERED:",
    ]);
  });

  it("their password is rotated with the others, live: the next one is made, the old password is refused", async () => {
    const passwordNow = async () =>
      (await nodes.exec("backup", "cat", "/var/lib/pg-continuity/config/pgpass")).stdout
        .trim()
        .split(":")
        .at(-1) ?? "";
    const signIn = (password: string) =>
      runAs(deployment, "shared", { user: "backup", password, database: "vault" }, [
        "SELECT continuity.data_bytes()",
      ]);
    const [before, password] = [await nodes.starts(), await passwordNow()];
    await signIn(password);
    const { exitCode, all } = await deployment.script("scripts/rotate.ts", ["passwords", "--json"]);
    expect([exitCode, exitCode === 0 ? "" : all]).toEqual([0, ""]);
    await deployment.reread();
    nodes = await Nodes.of(deployment);
    expect(await nodes.starts()).toEqual(before);
    await expect(signIn(password)).rejects.toThrow(/password authentication failed for user "backup"/);
    await signIn(await passwordNow());
    expect(await made()).toMatchObject({ state: "good" });
  });

  it("are turned off: container and password go, what was made stays in its volume", async () => {
    deployment.configure({ backups: undefined, alerts: undefined });
    const { exitCode, all } = await deployment.pulumi(["up", "--yes", "--skip-preview"]);
    expect([exitCode, all]).toEqual([0, expect.stringMatching(/- 6 deleted/)]);
    await deployment.reread();
    nodes = await Nodes.of(deployment);
    expect(
      await nodes.docker("ps", "--all", "--quiet", "--filter", `name=${nodes.container("backup")}$`),
    ).toBe("");
    const volume = `${nodes.container("backup")}-data`;
    expect(await nodes.docker("volume", "ls", "--quiet", "--filter", `name=${volume}`)).toBe(volume);
    expect((await deployment.status()).backups).toBeNull();
    const roles = "SELECT count(*) FROM pg_roles WHERE rolname = 'backup'";
    expect(await nodes.sql("shared-database", roles)).toBe("0");
    isOn = false;
  });
});
