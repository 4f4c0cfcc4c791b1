import { isDeepStrictEqual } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import type { ImpactReport } from "../../core/preview/report.ts";
import type { Finding } from "../../core/status.ts";
import { Deployment } from "../support/deployment.ts";
import { canRunEngine } from "../support/engine.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";
import { lose } from "../support/transitionFaults.ts";

describe.sequential("what somebody has changed past the config", () => {
  let deployment: Deployment;
  let nodes: Nodes;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    await healthy(deployment);
  });

  /** What status and preview say, which has to be the same. */
  async function named(): Promise<string> {
    const status = await deployment.status();
    const { exitCode, stdout } = await deployment.script("scripts/preview.ts", ["--json"]);
    const { drift } = JSON.parse(stdout) as ImpactReport;
    expect([status.exitCode, exitCode]).toEqual([3, 2]);
    const subjects = (findings: readonly Finding[]) => findings.map(({ subject }) => subject);
    // They look one after the other: what has followed meanwhile (nothing streams without a slot) is there then, too.
    if (!isDeepStrictEqual(subjects(drift), subjects(status.findings)))
      expect(subjects(drift)).toEqual(subjects((await deployment.status()).findings));
    return status.findings.map(({ subject, problem }) => `${subject}: ${problem}`).join("\n");
  }

  async function healedByUp(): Promise<string> {
    const { exitCode, all } = await deployment.up();
    expect([exitCode, all]).toEqual([0, expect.any(String)]);
    await healthy(deployment);
    return all;
  }

  it("a stopped container, ALTER SYSTEM and a dropped slot are named, and healed by up; a password too", async () => {
    const password = "SELECT rolpassword FROM pg_authid WHERE rolname = 'application'";
    const declared = await nodes.sql("shared-database", password);
    await nodes.sql("shared-database", "ALTER ROLE application PASSWORD 'of-somebody-else'");
    await nodes.docker("stop", nodes.container("secondary-server"));
    await nodes.sql("shared-database", "ALTER SYSTEM SET work_mem = '9MB'");
    await nodes.sql("shared-database", "SELECT pg_reload_conf()");
    await nodes.docker("stop", nodes.container("read-only-database"));
    await nodes.sql("shared-database", "SELECT pg_drop_replication_slot('read_only')");
    await nodes.docker("start", nodes.container("read-only-database"));
    await eventually("the standby answers", async () => (await deployment.status()).databases[1]?.reachable);

    const said = await named();
    expect(said).toMatch(/secondary server: is down.*its container is stopped/);
    expect(said).toContain("shared database: ALTER SYSTEM has set work_mem to '9MB' there");
    expect(said).toMatch(/read-only database: has no slot on the writable database/);

    const before = await nodes.starts();
    const all = await healedByUp();
    for (const done of [
      `started ${nodes.container("secondary-server")}`,
      "took ALTER SYSTEM of work_mem back on shared-database",
      "made the slot read_only on shared-database again",
    ])
      expect(all).toContain(`healed: ${done}`);
    expect(await nodes.sql("shared-database", "SHOW work_mem")).toBe("4MB");
    expect(await nodes.sql("shared-database", password)).toBe(declared);
    const after = await nodes.starts();
    expect(after).toEqual({ ...before, "secondary-server": after["secondary-server"] });
  });

  it("a deleted network is named, made again by up, and nothing is replaced or restarted", async () => {
    const before = await nodes.starts();
    for (const node of nodes.names)
      await nodes.docker("network", "disconnect", "--force", nodes.network, nodes.container(node));
    await nodes.docker("network", "rm", nodes.network);

    expect(await named()).toContain(`network ${nodes.network} on host local: does not exist`);

    const all = await healedByUp();
    expect(all).toContain(`healed: network ${nodes.network} was removed: it is made again`);
    expect(await nodes.starts()).toEqual(before);
    const { exitCode } = await deployment.preview("--expect-no-changes");
    expect(exitCode).toBe(0);
  });

  it("a server that would seal with another key than the others is named", async () => {
    // The read-only server: it seals nothing meanwhile.
    const file = "/var/lib/pg-continuity/config/encryption.key";
    const give = async (script: string) => {
      const command = `cd /tmp; { ${script}; } > next; cat next > ${file}; rm next; kill -HUP 1`;
      expect(await nodes.exec("read-only-server", "sh", "-ec", command)).toMatchObject({ exitCode: 0 });
    };
    await give(`cat ${file} > kept; head -c 32 /dev/urandom | base64 > other; cat other kept`);
    const seen = await eventually("named", async () => {
      const { findings } = await deployment.status();
      return findings.find(({ subject, problem }) => subject === "servers" && /keyFingerprint/.test(problem));
    });
    expect(seen.problem).toMatch(
      /^differ in keyFingerprint: primary (\w+), secondary \1, read-only (?!\1)\w+$/,
    );
    expect(seen.remedy).toMatch(/^Give every server the same key file/);

    // The key that seals goes in two steps.
    await give("cat kept; echo; cat other");
    await healthy(deployment);
    await give("cat kept; rm kept other");
  });

  it.runIf(canRunEngine)(
    "an up waits a while for a server that is not yet what it has to be, then names it",
    async () => {
      const heal = await lose(nodes, "secondary-server", "shared-database");
      try {
        await eventually("it is read-only", async () =>
          (await deployment.status()).servers.some(
            ({ name, role }) => name === "secondary" && role === "read-only",
          ),
        );
        const { exitCode, all } = await deployment.script("scripts/up.ts");
        expect([exitCode, all]).toEqual([
          3,
          expect.stringContaining("secondary server: is read-only, expected read-write"),
        ]);
      } finally {
        await heal();
      }
      await healthy(deployment);
    },
  );

  it("a refresh goes on while every engine answers", async () => {
    const { exitCode, all } = await deployment.script("scripts/refresh.ts", ["--preview-only"]);
    expect([exitCode, all]).toEqual([0, expect.stringMatching(/unchanged/)]);
  });
});
