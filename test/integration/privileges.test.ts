import { beforeAll, describe, expect, it } from "vitest";
import { createAuthority } from "../../core/pki.ts";
import { type DatabaseRole, databaseRoles } from "../../core/vocabulary.ts";
import { rehearsal } from "../../server/writes/rehearsal.ts";
import { Deployment } from "../support/deployment.ts";
import { Nodes } from "../support/nodes.ts";
import { rolePasswords, runAs } from "../support/roles.ts";

const insertAndForget = [
  "BEGIN",
  "INSERT INTO vault.resources (id, name, account, secret_key_id, secret_nonce, secret_ciphertext) SELECT gen_random_uuid(), 'a', 'b', secret_key_id, secret_nonce, secret_ciphertext FROM vault.resources LIMIT 1",
  "ROLLBACK",
];

/** What each role is for, and things next to it that it must not be able to do. */
const duties: readonly [role: DatabaseRole, database: string, statements: readonly string[]][] = [
  ["application", "vault", ["SELECT count(*) FROM vault.resources"]],
  ["application", "vault", insertAndForget],
  ["migration", "vault", ["CREATE TABLE vault.a_test (x int)", "DROP TABLE vault.a_test"]],
  [
    "rewind",
    "postgres",
    ["SELECT pg_read_binary_file('global/pg_control')", "SELECT pg_ls_dir('base', true, false)"],
  ],
  ["monitoring", "postgres", ["SELECT * FROM pg_stat_replication", "SELECT * FROM pg_control_system()"]],
  [
    "operator",
    "postgres",
    [
      "CHECKPOINT",
      "SELECT pg_create_physical_replication_slot('a_test')",
      "SELECT pg_drop_replication_slot('a_test')",
    ],
  ],
];

const refusals: readonly [role: DatabaseRole, database: string, statement: string, refusal: RegExp][] = [
  ["application", "vault", "CREATE TABLE vault.a_test (x int)", /permission denied/],
  ["application", "vault", "DROP TABLE vault.resources", /must be owner/],
  ["application", "vault", "TRUNCATE vault.resources", /permission denied/],
  ["application", "vault", "UPDATE vault.audit_events SET actor = 'x'", /permission denied/],
  ["application", "vault", "DELETE FROM vault.audit_events", /permission denied/],
  ["application", "vault", "SELECT * FROM pg_authid", /permission denied/],
  ["application", "postgres", "SELECT 1", /no pg_hba.conf entry|reject/],
  ["migration", "vault", "CREATE ROLE a_test", /permission denied/],
  ["migration", "vault", "SELECT pg_read_file('/etc/passwd')", /permission denied/],
  ["migration", "postgres", "SELECT 1", /no pg_hba.conf entry|reject/],
  ["replication", "postgres", "SELECT pg_read_file('/etc/passwd')", /permission denied/],
  ["replication", "vault", "SELECT 1", /no pg_hba.conf entry|reject/],
  ["subscriber", "postgres", "SELECT 1", /no pg_hba.conf entry|reject/],
  ["subscriber", "vault", "SELECT * FROM vault.resources", /permission denied/],
  ["rewind", "vault", "SELECT 1", /no pg_hba.conf entry|reject/],
  ["rewind", "postgres", "SELECT pg_promote(false, 1)", /permission denied/],
  ["monitoring", "vault", "SELECT * FROM vault.resources", /permission denied/],
  ["monitoring", "postgres", "SELECT pg_promote(false, 1)", /permission denied/],
  ["monitoring", "postgres", "SELECT pg_create_physical_replication_slot('a_test')", /permission denied/],
  ["monitoring", "postgres", "SELECT pg_read_file('/etc/passwd')", /permission denied/],
  ["operator", "vault", "SELECT * FROM vault.resources", /permission denied/],
  ["operator", "vault", "CREATE TABLE vault.a_test (x int)", /permission denied/],
  ["operator", "postgres", "CREATE ROLE a_test", /permission denied/],
  ["operator", "postgres", "SELECT pg_read_file('/etc/passwd')", /permission denied/],
];

describe("least privilege", () => {
  let deployment: Deployment;
  let nodes: Nodes;
  let passwords: Readonly<Record<DatabaseRole, string>>;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    passwords = await rolePasswords(deployment, nodes);
  });

  const as = (role: DatabaseRole, database: string, statements: readonly string[]) =>
    runAs(deployment, "shared", { user: role, password: passwords[role], database }, statements);

  it.each(duties)("%s can do its duty in %s: %j", (role, database, statements) =>
    as(role, database, statements));

  it.each(refusals)("%s cannot do in %s: %s", async (role, database, statement, refusal) => {
    await expect(as(role, database, [statement])).rejects.toThrow(refusal);
  });

  it("application can rehearse a write on a standby, and nothing is written by it", async () => {
    const login = { user: "application", password: passwords.application, database: "vault" };
    const written = () =>
      nodes.sql("shared-database", "SELECT count(*) FROM vault.idempotency_keys", "vault");
    const before = await written();
    await runAs(deployment, "read-only", login, [rehearsal]);
    await runAs(deployment, "shared", login, [rehearsal]);
    expect(await written()).toBe(before);
  });

  it("replication can replicate, and of all roles only it", async () => {
    const identify = (role: string) =>
      nodes.exec(
        "read-only-database",
        ...["env", `PGPASSWORD=${passwords[role as DatabaseRole]}`, "psql", "-XAtq", "-c", "IDENTIFY_SYSTEM"],
        `host=shared-database user=${role} dbname=postgres replication=true sslmode=verify-full sslrootcert=/var/lib/pg-continuity/config/ca.crt`,
      );
    expect(await identify("replication")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^\d+\|\d+\|/),
    });
    for (const role of databaseRoles.filter((name) => name !== "replication")) {
      const { exitCode, stderr } = await identify(role);
      expect([role, exitCode, stderr]).toEqual([
        role,
        2,
        expect.stringMatching(/pg_hba.conf (rejects|entry)/),
      ]);
    }
  });

  it("no role is a superuser, and none of the ordinary ones bypasses anything", async () => {
    const superusers =
      "SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb";
    expect(await nodes.sql("shared-database", superusers)).toBe("postgres");
  });

  it("passwords are kept as SCRAM verifiers, the superuser has none", async () => {
    const stored = await nodes.sql(
      "shared-database",
      "SELECT rolname || ' ' || coalesce(split_part(rolpassword, '$', 1), 'none') FROM pg_authid WHERE rolcanlogin ORDER BY 1",
    );
    expect(stored.split("\n")).toEqual(
      [...databaseRoles.map((role) => `${role} SCRAM-SHA-256`), "postgres none"].sort(),
    );
  });

  describe.each(["shared", "read-only"] as const)("connections to the %s database", (name) => {
    const login = () => ({ user: "monitoring", password: passwords.monitoring, database: "postgres" });

    it("are accepted over TLS", () => runAs(deployment, name, login(), ["SELECT 1"]));

    it("are refused without TLS", async () => {
      await expect(runAs(deployment, name, { ...login(), ssl: false }, [])).rejects.toThrow(
        /pg_hba.conf rejects connection .*no encryption|no pg_hba.conf entry .*no encryption/,
      );
    });

    it("are refused with a wrong password", async () => {
      await expect(runAs(deployment, name, { ...login(), password: "wrong" }, [])).rejects.toThrow(
        /password authentication failed/,
      );
    });

    it("are refused to the superuser", async () => {
      await expect(runAs(deployment, name, { ...login(), user: "postgres" }, [])).rejects.toThrow(
        /pg_hba.conf/,
      );
    });

    it("are given up by a client that trusts another authority", async () => {
      const { certificate } = await createAuthority("other");
      await expect(runAs(deployment, name, { ...login(), ssl: { ca: certificate } }, [])).rejects.toThrow(
        /certificate/,
      );
    });
  });

  it("the replica verifies whom it follows", async () => {
    const { stdout } = await nodes.exec("read-only-database", "cat", "/var/lib/pg-continuity/role.conf");
    expect(stdout).toContain("host=shared-database");
    expect(stdout).toContain("sslmode=verify-full");
    expect(stdout).not.toContain("password=");
  });
});
