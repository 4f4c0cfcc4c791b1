import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";

/** A PostgreSQL of somebody else's: a logical subscriber that knows both databases and is never told of a transition. */
class Subscriber {
  readonly #nodes: Nodes;
  readonly name: string;

  constructor(nodes: Nodes) {
    this.#nodes = nodes;
    this.name = `${nodes.network}-subscriber`;
  }

  async start(ca: string): Promise<void> {
    const image = await this.#nodes.inspect("shared-database", "{{.Config.Image}}");
    const stack = this.#nodes.network.replace("pg-continuity-", "");
    const script = [
      'printf "%s" "$CA" > /tmp/ca.crt',
      "initdb -D /tmp/data -U postgres --auth=trust >/dev/null",
      "exec postgres -D /tmp/data -c listen_addresses= -c wal_retrieve_retry_interval=200ms",
    ].join(" && ");
    await this.#nodes.docker(
      ...["run", "--detach", "--name", this.name, "--network", this.#nodes.network, "--env", `CA=${ca}`],
      ...["--label", "pg-continuity.project=pg-continuity", "--label", `pg-continuity.stack=${stack}`],
      ...["--entrypoint", "bash", image, "-c", script],
    );
    await eventually("the subscriber answers", async () => (await this.sql("SELECT 1")) === "1");
  }

  sql(statement: string): Promise<string> {
    const command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-c", statement];
    return this.#nodes.docker("exec", this.name, ...command);
  }

  async remove(): Promise<void> {
    await this.#nodes.docker("rm", "--force", "--volumes", this.name);
  }
}

describe("a logical subscriber whose slot is marked failover", () => {
  let deployment: Deployment;
  let nodes: Nodes;
  let subscriber: Subscriber;
  let written = 0;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    subscriber = new Subscriber(nodes);
    const { access, subscriberPassword } = await deployment.deployed();
    await subscriber.start(access.caCertificate);
    const statements = [
      "CREATE SCHEMA published",
      "CREATE TABLE published.number (id int PRIMARY KEY)",
      "GRANT USAGE ON SCHEMA published TO subscriber",
      "GRANT SELECT ON published.number TO subscriber",
      "CREATE PUBLICATION numbers FOR TABLE published.number",
    ];
    for (const statement of statements) await nodes.sql("shared-database", statement, "vault");
    await subscriber.sql("CREATE SCHEMA published; CREATE TABLE published.number (id int PRIMARY KEY)");
    const conninfo =
      `host=shared-database,read-only-database port=5432,5432 dbname=vault user=subscriber password=${subscriberPassword} ` +
      "target_session_attrs=read-write connect_timeout=2 sslmode=verify-full sslrootcert=/tmp/ca.crt";
    await subscriber.sql(
      `CREATE SUBSCRIPTION numbers CONNECTION '${conninfo}' PUBLICATION numbers WITH (failover = true)`,
    );
  });

  afterAll(async () => {
    if (!subscriber) return;
    await subscriber.sql("ALTER SUBSCRIPTION numbers DISABLE");
    await subscriber.sql("DROP SUBSCRIPTION numbers");
    await subscriber.remove();
    await nodes.sql(
      "shared-database",
      "DROP SCHEMA published CASCADE; DROP PUBLICATION IF EXISTS numbers",
      "vault",
    );
  });

  /** Writes on a database and waits until the subscriber has every row that was ever written. */
  async function writeAndExpect(node: string): Promise<void> {
    for (let row = 0; row < 20; row++) {
      written += 1;
      await nodes.sql(node, `INSERT INTO published.number VALUES (${written})`, "vault");
    }
    const all = `${written}|${written}`;
    await eventually(
      `the subscriber has ${written} rows`,
      async () => (await subscriber.sql("SELECT count(*), max(id) FROM published.number")) === all,
    );
  }

  /** A synchronised slot is kept once the writable database has logged its transactions; by itself it does every 15 s. */
  async function slotIsReadyOn(standby: string, writable: string): Promise<void> {
    await eventually(
      `the slot is ready on ${standby}`,
      async () => {
        await nodes.sql(writable, "SELECT pg_log_standby_snapshot()");
        const ready = "SELECT synced AND NOT temporary FROM pg_replication_slots WHERE slot_name = 'numbers'";
        return (await nodes.sql(standby, ready)) === "t";
      },
      90,
    );
  }

  it("goes on through a promote and a restore without being touched", async () => {
    await writeAndExpect("shared-database");
    await slotIsReadyOn("read-only-database", "shared-database");
    const dryRun = await deployment.script("scripts/transition.ts", ["promote", "--dry-run"]);
    expect(dryRun.all).toContain("logical slots ready to come along: numbers (on read-only)");

    const promoted = await deployment.script("scripts/transition.ts", ["promote", "--id", "logical-1"]);
    expect(promoted.exitCode, promoted.all).toBe(0);
    await writeAndExpect("read-only-database");
    await slotIsReadyOn("shared-database", "read-only-database");

    const restored = await deployment.script("scripts/transition.ts", ["restore", "--id", "logical-2"]);
    expect(restored.exitCode, restored.all).toBe(0);
    await writeAndExpect("shared-database");
    await healthy(deployment);
  });

  it("is warned of where it is not marked failover", async () => {
    await nodes.sql(
      "shared-database",
      "SELECT pg_create_logical_replication_slot('left_behind', 'pgoutput')",
      "vault",
    );
    const dryRun = await deployment.script("scripts/transition.ts", ["promote", "--dry-run"]);
    await nodes.sql("shared-database", "SELECT pg_drop_replication_slot('left_behind')", "vault");
    expect(dryRun.exitCode).toBe(0);
    expect(dryRun.all).toContain("the logical slot left_behind is not marked failover");
  });
});
