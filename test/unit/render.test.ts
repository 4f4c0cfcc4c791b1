import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alertSettingsSchema } from "../../core/alerts/settings.ts";
import { fingerprint, renderNode } from "../../core/render/node.ts";
import { renderPgHba, renderPostgresqlConf } from "../../core/render/postgres.ts";
import { renderRolesSql } from "../../core/render/roles.ts";
import { scramVerifier } from "../../core/render/scram.ts";
import { renderSlotsSql } from "../../core/render/slots.ts";
import { serverConfigSchema } from "../../core/serverConfig.ts";
import { allNodes, type DatabaseNode, type Topology } from "../../core/topology.ts";
import { type DatabaseRole, databaseRoles } from "../../core/vocabulary.ts";
import { credentials, settingsOf, topologyOf, twoHosts } from "../support/fixtures.ts";

const certificate = { certificate: "NODE CERTIFICATE\n", key: "NODE KEY\n" };
const render = (topology: Topology, node: string, settings = settingsOf()) => {
  const found = allNodes(topology).find((candidate) => candidate.node === node);
  if (!found) throw new Error(`no node ${node}`);
  return renderNode(found, { topology, settings, credentials, certificate });
};
const passwordsInUse = Object.fromEntries(
  databaseRoles.map((role) => [role, credentials.passwords[role][0]]),
) as Record<DatabaseRole, string>;
const shared = (topology: Topology): DatabaseNode => {
  const [first] = topology.databases;
  if (!first) throw new Error("no database");
  return first;
};

describe("postgresql.conf", () => {
  const conf = (config: Record<string, unknown>) =>
    renderPostgresqlConf(shared(topologyOf(config)), settingsOf(config)).split("\n");

  it("takes parameters of the config over the defaults", () => {
    expect(conf({})).toContain("max_connections = '200'");
    const lines = conf({ postgresParameters: { max_connections: 50, jit: false, "auto_explain.x": "y" } });
    expect(lines).toContain("max_connections = '50'");
    expect(lines).toContain("jit = 'off'");
    expect(lines).toContain("auto_explain.x = 'y'");
  });

  it("sets each parameter once, in the same order for the same settings", () => {
    const all = conf({}).flatMap((line) => /^([a-z_.]+) =/.exec(line)?.[1] ?? []);
    // PostgreSQL reads each file where its line stands.
    const names = all.filter((name) => name !== "include_if_exists");
    expect(new Set(names).size).toBe(names.length);
    expect(conf({})).toEqual(conf({}));
  });

  it("turns on what replication and safety rest on", () => {
    const lines = conf({ slotWalKeepMegabytes: 99 });
    for (const line of [
      "ssl = 'on'",
      "fsync = 'on'",
      "password_encryption = 'scram-sha-256'",
      "max_slot_wal_keep_size = '99MB'",
      "wal_log_hints = 'on'",
      "hot_standby = 'on'",
    ])
      expect(lines).toContain(line);
  });

  it("does not say which role the node plays", () => {
    const text = conf({}).join("\n");
    expect(text).not.toContain("primary_conninfo =");
    expect(text).toContain("include_if_exists");
  });

  it("keeps every value within its quotes", () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !/[\r\n\0]/.test(text)),
        (value) => {
          const line = conf({ postgresParameters: { "x.y": value } }).find((text) =>
            text.startsWith("x.y = "),
          );
          const inner = /^x\.y = '((?:[^'\\]|''|\\\\)*)'$/.exec(line ?? "")?.[1];
          expect(inner?.replaceAll("''", "'").replaceAll("\\\\", "\\")).toBe(value);
        },
      ),
    );
  });

  it("refuses a line break", () => {
    expect(() => conf({ postgresParameters: { "x.y": "a\nb = c" } })).toThrow(/line break/);
  });
});

describe("pg_hba.conf", () => {
  const lines = (config: Record<string, unknown> = {}) =>
    renderPgHba(topologyOf(config))
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split("\t"));

  it("lets the superuser in by the local socket only", () => {
    expect(lines().filter(([, , user]) => user === "postgres")).toEqual([
      ["local", "all", "postgres", "peer"],
    ]);
  });

  it("wants TLS and SCRAM of everybody else, and ends with a refusal of all others", () => {
    const network = lines().filter(([type]) => type !== "local");
    expect(network.at(-1)).toEqual(["host", "all", "all", "all", "reject"]);
    for (const line of network.slice(0, -1)) {
      expect(line[0]).toBe("hostssl");
      expect(line[4]).toBe("scram-sha-256");
      expect(databaseRoles).toContain(line[2]);
    }
  });

  it("lets only the replication role replicate", () => {
    expect(lines().filter(([, database]) => database === "replication")).toEqual([
      ["hostssl", "replication", "replication", "samenet", "scram-sha-256"],
    ]);
  });

  const sourcesOf = (config: Record<string, unknown>, isMatch: (user: string) => boolean) => [
    ...new Set(
      lines(config).flatMap(([type, , user = "", source]) =>
        type === "hostssl" && isMatch(user) ? [source] : [],
      ),
    ),
  ];
  const isOperators = (user: string) => user === "monitoring" || user === "operator";

  it("names the hosts where there are several, one address each", () => {
    expect(sourcesOf(twoHosts, (user) => !isOperators(user))).toEqual([
      "samenet",
      "10.0.0.1/32",
      "10.0.0.2/32",
    ]);
  });

  it("lets the operator in from anywhere once more than this machine can reach the port, and nobody else", () => {
    expect(sourcesOf({}, () => true)).toEqual(["samenet"]);
    const remote = {
      hosts: { a: { docker: "ssh://a", address: "10.0.0.1" } },
      publishedAddress: "10.0.0.1",
    };
    expect(sourcesOf(remote, isOperators)).toEqual(["all"]);
    expect(sourcesOf(remote, (user) => !isOperators(user))).toEqual(["samenet"]);
  });
});

describe("roles.sql", () => {
  const sql = renderRolesSql(credentials);

  it("holds verifiers and no password", () => {
    for (const role of databaseRoles) {
      expect(sql).not.toContain(passwordsInUse[role]);
      expect(sql).toContain(scramVerifier(passwordsInUse[role], credentials.salts[role]));
    }
  });

  it("makes every role only where it is missing, and none a superuser", () => {
    for (const role of databaseRoles) {
      expect(sql).toContain(`WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}')`);
      expect(sql).toMatch(
        new RegExp(`ALTER ROLE "${role}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS`),
      );
    }
    expect(sql.match(/^CREATE (ROLE|DATABASE)/gm)).toBeNull();
  });

  it("keeps verifiers out of the log also when a statement fails", () => {
    const lines = sql.split("\n");
    const firstVerifier = lines.findIndex((line) => line.includes("SCRAM-SHA-256$"));
    for (const setting of ["log_min_error_statement = panic", "log_min_duration_statement = -1"]) {
      const line = lines.findIndex((text) => text.includes(setting));
      expect(line).toBeGreaterThanOrEqual(0);
      expect(line).toBeLessThan(firstVerifier);
    }
  });
});

describe("slots.sql", () => {
  it("makes one slot for each database that may have to be fed", () => {
    const topology = topologyOf();
    expect(renderSlotsSql(topology, shared(topology))).toContain(
      "pg_create_physical_replication_slot('read_only'",
    );
    const single = topologyOf({ model: "secondary" });
    expect(renderSlotsSql(single, shared(single))).not.toContain("pg_create");
  });

  it("drops the slot of a replica that the model does not have, and no other", () => {
    const drops = (topology: Topology) =>
      renderSlotsSql(topology, shared(topology)).match(
        /pg_drop_replication_slot.*slot_name = '\w+' AND slot_type/g,
      );
    expect(drops(topologyOf({ model: "secondary" }))).toEqual([expect.stringContaining("'read_only'")]);
    expect(drops(topologyOf())).toBeNull();
  });
});

describe("SCRAM verifier", () => {
  // RFC 7677, section 3: user "user", password "pencil".
  it("is the one of the RFC's example", () => {
    expect(scramVerifier("pencil", "W22ZaJ0SNY7soEsUEjb6gQ==")).toBe(
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    );
  });
});

describe("a node's folder", () => {
  it.each(allNodes(topologyOf()).map(({ node }) => node))("of %s is the same for the same input", (node) => {
    expect(fingerprint(render(topologyOf(), node))).toBe(fingerprint(render(topologyOf(), node)));
  });

  it("has another fingerprint when a file or its mode changes, not when the order does", () => {
    const files = [
      { name: "a", content: "1" },
      { name: "b", content: "2" },
    ];
    const original = fingerprint(files);
    expect(fingerprint([...files].reverse())).toBe(original);
    expect(
      fingerprint([
        { name: "a", content: "2" },
        { name: "b", content: "2" },
      ]),
    ).not.toBe(original);
    expect(
      fingerprint([
        { name: "a", content: "1", mode: 0o644 },
        { name: "b", content: "2" },
      ]),
    ).not.toBe(original);
  });

  it("of a server is a configuration that the server takes, without a secret in it", () => {
    const file = render(topologyOf(), "primary-server").find(({ name }) => name === "server.json");
    const config = serverConfigSchema.parse(JSON.parse(file?.content ?? ""));
    expect(config.databases.map(({ name, address }) => [name, address])).toEqual([
      ["shared", "shared-database"],
      ["read-only", "read-only-database"],
    ]);
    for (const secret of [
      ...Object.values(credentials.passwords).flat(),
      ...credentials.encryptionKeys,
      ...credentials.adminTokens,
    ])
      expect(file?.content).not.toContain(secret);
  });

  it("of a server has the alerts in a file of their own, and only where something is set", () => {
    const url = "https://hooks.example.com/services/SECRET";
    const settings = settingsOf({ alerts: { webhook: { url } }, slotWalKeepMegabytes: 256 });
    const files = render(topologyOf(), "primary-server", settings);
    const of = (name: string) => files.find((file) => file.name === name)?.content ?? "";
    expect(serverConfigSchema.parse(JSON.parse(of("server.json"))).alertsFile).toMatch(/\/alerts\.json$/);
    expect(of("server.json")).not.toContain("SECRET");
    // A slot is named before PostgreSQL gives it up.
    expect(alertSettingsSchema.parse(JSON.parse(of("alerts.json")))).toMatchObject({
      webhook: { url },
      slotMegabytes: 128,
    });
    const without = render(topologyOf(), "primary-server");
    expect(without.map(({ name }) => name)).not.toContain("alerts.json");
  });

  it("gives a node only the secrets of its duties", () => {
    const all = (node: string) =>
      render(topologyOf(), node)
        .map(({ content }) => content)
        .join("\n");
    const [adminToken] = credentials.adminTokens;
    const passwords = passwordsInUse;
    const [encryptionKey] = credentials.encryptionKeys;
    for (const role of ["application", "migration", "operator"] as const)
      expect(all("shared-database")).not.toContain(passwords[role]);
    for (const role of ["replication", "rewind", "monitoring", "operator"] as const)
      expect(all("primary-server")).not.toContain(passwords[role]);
    for (const role of databaseRoles) expect(all("gateway")).not.toContain(passwords[role]);
    for (const node of ["shared-database", "gateway"]) expect(all(node)).not.toContain(encryptionKey);
    for (const { node } of allNodes(topologyOf())) {
      expect(all(node)).not.toContain(adminToken);
    }
  });

  it("of a database names its peers and witnesses", () => {
    const file = render(topologyOf(twoHosts), "shared-database").find(({ name }) => name === "node.json");
    const node = JSON.parse(file?.content ?? "");
    expect(node.peers["read-only"]).toEqual({ address: "10.0.0.2", port: 5452, slot: "read_only" });
    expect(node.witnesses).toEqual(["https://10.0.0.2:8453/witness"]);
  });
});
