import { describe, expect, it } from "vitest";
import { parseStatistics } from "../../core/applicationStatistics.ts";
import { known, unknown } from "../../core/observation.ts";
import { applicationEnvironment, applicationFiles, applicationSecrets } from "../../core/ownApplication.ts";
import { changesOf } from "../../core/preview/change.ts";
import { interruptionsOf } from "../../core/preview/interruptions.ts";
import { type Problem, ProblemsError } from "../../core/problems.ts";
import { renderHaproxy } from "../../core/render/haproxy.ts";
import { fingerprint, renderNode } from "../../core/render/node.ts";
import { renderPgHba } from "../../core/render/postgres.ts";
import { renderRolesSql } from "../../core/render/roles.ts";
import { parseSettings } from "../../core/settings.ts";
import { judge } from "../../core/status.ts";
import { statusSchema } from "../../core/statusSchema.ts";
import { type ApplicationNode, allNodes, vaultEntries } from "../../core/topology.ts";
import {
  credentials,
  healthyObservation,
  rawConfig,
  settingsOf,
  topologyOf,
  twoHosts,
} from "../support/fixtures.ts";
import { registerDeployment } from "../support/mocks.ts";
import { digestOf } from "./preview/digests.ts";

const image = "registry.example/shop/web:1.4";
const own = (application: Record<string, unknown> = {}, config: Record<string, unknown> = {}) => ({
  application: { image, ...application },
  ...config,
});
const beside = (server: string, config: Record<string, unknown> = own()): ApplicationNode => {
  const found = topologyOf(config).applications.find(({ name }) => name === server);
  if (!found) throw new Error(`no application beside ${server}`);
  return found;
};
const environmentOf = (server: string, config: Record<string, unknown> = own()) =>
  applicationEnvironment(topologyOf(config), beside(server, config), settingsOf(config).application);

describe("the settings of an application", () => {
  const problemsOf = (config: Record<string, unknown>): readonly Problem[] => {
    try {
      settingsOf(config);
      return [];
    } catch (error) {
      if (error instanceof ProblemsError) return error.problems;
      throw error;
    }
  };

  it("hold no secret: what is encrypted in the config would be readable in the container's environment", () => {
    const said = (isSecret: (key: string) => boolean, config: Record<string, unknown>) => {
      try {
        parseSettings(rawConfig(config), { isSecret });
        return [];
      } catch (error) {
        if (!(error instanceof ProblemsError)) throw error;
        return error.problems.map(({ path, reason }) => `${path}: ${reason}`);
      }
    };
    const isSecret = (key: string) => key === "pg-continuity:application";
    const config = own({ environment: { API_KEY: "hidden" } });
    expect(said(isSecret, config)).toEqual([
      "pg-continuity:application: holds a secret of the stack's config, and everybody who may look at the container could read it (docker inspect)",
    ]);
    expect(said(isSecret, own({ command: ["shop", "--key=hidden"] }))).toHaveLength(1);
    expect(said(() => false, config)).toEqual([]);
    expect(said(isSecret, own())).toEqual([]);
  });

  it.each([
    "shop:1",
    "shop/web:1.4-rc.1",
    "registry.example:5000/shop/web:1",
    `registry.example/shop@sha256:${"a".repeat(64)}`,
  ])("take the image %s", (name) => expect(problemsOf(own({ image: name }))).toEqual([]));

  it.each<[string, Record<string, unknown>, path: string, said: RegExp]>([
    ["an image without a version", own({ image: "shop" }), "image", /names no image with a version/],
    ["the latest of an image", own({ image: "shop:latest" }), "image", /not latest/],
    ["what is no image", own({ image: "Shop Web:1" }), "image", /names no image/],
    ["a path that is none", own({ healthPath: "health check" }), "healthPath", /is no path/],
    [
      "a path that would be more of a configuration",
      own({ healthPath: "/x\n  bad" }),
      "healthPath",
      /is no path/,
    ],
    ["the superuser", own({ user: 0 }), "user", /too small/],
    [
      "a variable without a name",
      own({ environment: { "A B": "x" } }),
      "environment.A B",
      /no name of a variable/,
    ],
    [
      "a variable of the contract",
      own({ environment: { PGHOST: "x" } }),
      "environment.PGHOST",
      /set by this project/,
    ],
    ["a port that is none", own({ port: 0 }), "port", /too small/],
    ["something unknown", own({ prot: 1 }), "prot", /Did you mean "port"/],
    [
      "settings without an image",
      { application: { port: 80 } },
      "image",
      /is empty, but port of the application is set/,
    ],
    ["an unencrypted way between hosts", own({}, twoHosts), "protocol", /placed on different hosts/],
  ])("refuse %s", (_, config, path, said) => {
    const problems = problemsOf(config);
    expect(problems.map((problem) => problem.path)).toEqual([`pg-continuity:application.${path}`]);
    const [{ value = "", reason = "", remedy = "" } = {}] = problems;
    expect(`${value} ${reason} ${remedy}`).toMatch(said);
  });

  it("take TLS between hosts", () => {
    expect(problemsOf(own({ protocol: "https" }, twoHosts))).toEqual([]);
  });

  it("want no two nodes on one port, where the application has one", () => {
    expect(problemsOf({ ports: { gateway: 8461 } })).toEqual([]);
    expect(problemsOf(own({}, { ports: { gateway: 8461 } }))).toMatchObject([
      { path: "pg-continuity:ports.primary-application", reason: "is the port of gateway too" },
    ]);
  });
});

describe("the topology", () => {
  it("has one application beside each server, where there is one", () => {
    expect(topologyOf().applications).toEqual([]);
    expect(topologyOf(own({}, { model: "secondary" })).applications.map(({ node }) => node)).toEqual([
      "primary-application",
      "secondary-application",
    ]);
    expect(allNodes(topologyOf(own()))).toHaveLength(9);
  });

  it("places it with its server, and publishes what is not encrypted nowhere else", () => {
    const config = own({ protocol: "https" }, twoHosts);
    expect(beside("read-only", config).host.name).toBe("beta");
    expect(beside("primary", config).host.name).toBe("alpha");
    expect(beside("primary", own({}, { publishedAddress: "192.0.2.7" })).published.address).toBe("127.0.0.1");
    expect(
      beside("primary", own({ protocol: "https" }, { publishedAddress: "192.0.2.7" })).published.address,
    ).toBe("192.0.2.7");
  });

  it("leads to the vault by the gateway, or else by the servers", () => {
    expect(vaultEntries(topologyOf()).map(({ node }) => node)).toEqual(["gateway"]);
    expect(vaultEntries(topologyOf(own())).map(({ node }) => node)).toEqual([
      "primary-server",
      "secondary-server",
      "read-only-server",
    ]);
  });
});

describe("the contract", () => {
  const secrets = applicationSecrets(credentials.applicationSeed);

  it("leads writes to whichever database accepts them, reads to the server's own first", () => {
    const { DATABASE_URL, DATABASE_READ_ONLY_URL, PGHOST, PGPORT } = environmentOf("read-only");
    expect(DATABASE_URL).toBe(
      "postgresql://application_owner@shared-database:5432,read-only-database:5432/application?target_session_attrs=read-write&sslmode=verify-full&sslrootcert=/run/secrets/pg-continuity/ca.crt&connect_timeout=3&application_name=read-only-application",
    );
    expect(DATABASE_READ_ONLY_URL).toContain(
      "@read-only-database:5432,shared-database:5432/application?target_session_attrs=any&",
    );
    expect(environmentOf("primary").DATABASE_READ_ONLY_URL).toContain("@shared-database:5432,read-only");
    expect([PGHOST, PGPORT]).toEqual(["shared-database,read-only-database", "5432,5432"]);
  });

  it("leads to another host by its address", () => {
    expect(environmentOf("primary", own({ protocol: "https" }, twoHosts)).PGHOST).toBe(
      "shared-database,10.0.0.2",
    );
  });

  it("says who it is, and takes further variables as text", () => {
    const config = own({ port: 3000, environment: { DEBUG: true, WORKERS: 4, MODE: "x" } });
    expect(environmentOf("secondary", config)).toMatchObject({
      SERVER_ID: "secondary",
      SERVER_ROLE: "read-write",
      AGENT_URL: "https://secondary-server:8443",
      PORT: "3000",
      DEBUG: "true",
      WORKERS: "4",
      MODE: "x",
    });
  });

  it("has every secret in a file, and none in the environment", () => {
    const files = new Map(
      applicationFiles(topologyOf(own()), beside("primary"), secrets).map(({ name, content }) => [
        name,
        content,
      ]),
    );
    expect(files.get("database-url")).toContain(`//application_owner:${secrets.password}@shared-database:`);
    expect(files.get("database-read-only-url")).toContain(secrets.password);
    expect(files.get("pgpass")).toBe(`*:*:application:application_owner:${secrets.password}\n`);
    expect(files.get("secret-key")).toMatch(/^[0-9a-f]{64}$/);
    for (const value of Object.values(environmentOf("primary"))) {
      expect(value).not.toContain(secrets.password);
      expect(value).not.toContain(secrets.secretKey);
    }
  });

  it("derives secrets that say nothing of the key, nor of each other", () => {
    const all = Object.values(secrets);
    expect(new Set([...all, credentials.applicationSeed]).size).toBe(4);
    expect(applicationSecrets(credentials.applicationSeed)).toEqual(secrets);
    expect(applicationSecrets(Buffer.alloc(32, 8).toString("base64")).password).not.toBe(secrets.password);
  });

  it("comes with the node's certificate, and nothing of the vault's", () => {
    const config = own();
    const files = renderNode(beside("primary", config), {
      topology: topologyOf(config),
      settings: settingsOf(config),
      credentials,
      certificate: { certificate: "NODE CERTIFICATE\n", key: "NODE KEY\n" },
    });
    expect(files.map(({ name }) => name).sort()).toEqual([
      ...["ca.crt", "database-password", "database-read-only-url", "database-url"],
      ...["node.crt", "node.key", "pgpass", "secret-key"],
    ]);
    const all = files.map(({ content }) => content).join("");
    for (const secret of [
      credentials.applicationSeed,
      ...credentials.adminTokens,
      ...Object.values(credentials.passwords).flat(),
    ])
      expect(all).not.toContain(secret);
    expect(fingerprint(files)).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe("the databases", () => {
  it("let the application into its own database only, and only where there is one", () => {
    const lines = (config: Record<string, unknown>) =>
      renderPgHba(topologyOf(config))
        .split("\n")
        .filter((line) => line.includes("application_owner"));
    expect(lines({})).toEqual([]);
    expect(lines(own())).toEqual(["hostssl\tapplication\tapplication_owner\tsamenet\tscram-sha-256"]);
  });

  it("have its role and database only where there is one, and no password", () => {
    const secrets = applicationSecrets(credentials.applicationSeed);
    expect(renderRolesSql(credentials)).not.toContain("application_owner");
    const sql = renderRolesSql(credentials, secrets);
    expect(sql).toMatch(/ALTER ROLE "application_owner" LOGIN NOSUPERUSER .* PASSWORD 'SCRAM-SHA-256\$/);
    expect(sql).toContain('REVOKE ALL ON DATABASE "application" FROM PUBLIC;');
    expect(sql).not.toContain(secrets.password);
  });
});

describe("the gateway", () => {
  const rendered = (config: Record<string, unknown>) => renderHaproxy(topologyOf(config), "the-token");
  const servers = (config: Record<string, unknown>) =>
    rendered(config)
      .split(/\n(?=\S)/)
      .find((part) => part.startsWith("backend servers\n")) ?? "";

  it("leads to the applications, while their servers say who is on duty", () => {
    expect(servers(own({ port: 3000 })).match(/^ {4}server .*$/gm)).toEqual([
      "    server primary primary-application:3000 check",
      "    server secondary secondary-application:3000 check",
      "    server read-only read-only-application:3000 check backup",
    ]);
    expect(servers(own())).toContain("use-server primary if { srv_is_up(duty/primary) }");
    expect(rendered(own())).toContain("server primary primary-server:8443 check sni");
    expect(servers(own())).not.toContain("ssl");
  });

  it("sends nothing twice that an application may have begun, and tells it no secret", () => {
    const config = rendered(own());
    expect(config.match(/^ +retry-on .*$/gm)).toEqual(["    retry-on conn-failure"]);
    for (const text of ["the-token", "Idempotency-Key", "http-reuse always", "http-buffer-request"]) {
      expect(config).not.toContain(text);
      expect(rendered({})).toContain(text);
    }
  });

  it("speaks TLS where the application does, its certificate verified", () => {
    const config = servers(own({ protocol: "https" }));
    expect(config).toMatch(
      /server primary primary-application:8080 check sni .* verifyhost primary-application$/m,
    );
    expect(config).toMatch(/default-server ssl ca-file \S+ verify required/);
    expect(config).toContain("no-check-ssl");
  });

  it("asks for the application's health by a path, where it has one", () => {
    expect(servers(own())).not.toContain("httpchk");
    const config = servers(own({ healthPath: "/healthz?deep=1" }));
    expect(config).toContain("option httpchk\n    http-check send meth GET uri /healthz?deep=1 ver HTTP/1.1");
  });
});

describe("what the gateway's statistics say", () => {
  const csv = [
    "# pxname,svname,status,lastchg,check_status,",
    "entry,FRONTEND,OPEN,,,",
    "servers,primary,UP,12,L4OK,",
    "servers,secondary,DOWN,3,L4CON,",
    "servers,read-only,UP 1/3,9,* L4TOUT,",
    "servers,BACKEND,UP,12,,",
    "duty,primary,DOWN,1,L7STS,",
    "",
  ].join("\n");

  it("of the applications is read by their servers' names", () => {
    expect(Object.fromEntries(parseStatistics(csv, "servers"))).toEqual({
      primary: { isWell: true, detail: "UP, L4OK", seconds: 12 },
      secondary: { isWell: false, detail: "DOWN, L4CON", seconds: 3 },
      "read-only": { isWell: true, detail: "UP 1/3, * L4TOUT", seconds: 9 },
    });
  });

  it("is refused where it is something else", () => {
    expect(() => parseStatistics("<html>", "servers")).toThrow(/have no column pxname/);
  });
});

describe("the status", () => {
  const topology = topologyOf(own());
  const healthy = healthyObservation(topology);
  const withPrimary = (change: Partial<(typeof healthy.applications)[number]>) =>
    judge(topology, {
      ...healthy,
      applications: healthy.applications.map((seen) =>
        seen.name === "primary" ? { ...seen, ...change } : seen,
      ),
    });

  it("shows every application", () => {
    const status = judge(topology, healthy);
    expect(status.applications.map(({ name, state }) => `${name} ${state}`)).toEqual([
      "primary well",
      "secondary well",
      "read-only well",
    ]);
    expect(status.verdict).toBe("ok");
    expect(statusSchema.parse(JSON.parse(JSON.stringify(status)))).toEqual(status);
  });

  it.each([
    [
      "the gateway finds it down",
      { health: known({ isWell: false, detail: "DOWN, L4CON", seconds: 7 }) },
      /^is unwell \(the gateway finds it DOWN, L4CON, for 7 s\) Look at.*docker logs pg-continuity-unit-primary-application/,
    ],
    [
      "its container is gone",
      { container: known({ state: "missing" as const }) },
      /^is down \(its container is missing\)/,
    ],
    [
      "nobody can be asked",
      { health: unknown<never>("the gateway cannot be asked") },
      /^is unknown \(the gateway cannot/,
    ],
  ])("says it when %s", (_, change, said) => {
    const { findings, verdict } = withPrimary(change);
    expect(verdict).toBe("degraded");
    expect(findings.map(({ subject }) => subject)).toEqual(["primary application"]);
    expect(findings.map(({ problem, remedy }) => `${problem} ${remedy}`)).toEqual([
      expect.stringMatching(said),
    ]);
  });
});

describe("the preview", () => {
  const digest = digestOf([
    { op: "replace", type: "container", name: "primary-application", differs: ["envs[0]"] },
    { op: "update", type: "command", name: "await-primary-application", differs: ["environment"] },
    { op: "same", type: "container", name: "primary-server" },
  ]);

  it("knows an application and the proof that it is well", () => {
    expect(changesOf(digest).map(({ kind, node, action }) => [kind, node, action])).toEqual([
      ["container", "primary-application", "replaced"],
      ["turn", "primary-application", "updated in place"],
    ]);
  });

  it("says that the gateway turns to another application meanwhile", () => {
    const changes = changesOf(digest);
    const turned = interruptionsOf(changes, { topology: topologyOf(own()), writable: "shared" });
    expect(turned.writes.because).toEqual([
      "primary-application is away, the gateway turns to another server",
    ]);
    expect(interruptionsOf(changes, { topology: topologyOf(), writable: "shared" }).writes.stops).toBe(false);
  });
});

describe("the resources", () => {
  it("of an application: its image as an ordinary user with little rights, its files before it, one after the other", async () => {
    const all = await registerDeployment(own({ user: 1234, command: ["serve"], environment: { A: 1 } }));
    const containers = all.filter(({ type }) => type === "docker:index/container:Container");
    const application = containers.find(({ name }) => name === "primary-application");
    expect(containers).toHaveLength(9);
    expect(application?.inputs).toMatchObject({
      image,
      user: "1234:1234",
      command: ["serve"],
      readOnly: true,
      init: true,
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges:true"],
      volumes: [{ containerPath: "/run/secrets/pg-continuity", readOnly: true }],
      ports: [{ ip: "127.0.0.1", internal: 8080, external: 8461 }],
    });
    expect(application?.inputs.envs).toContain("A=1");
    expect([...(application?.secretInputs ?? ["none registered"])]).toEqual([]);
    const { password, secretKey } = applicationSecrets(
      String(all.find(({ name }) => name === "credentials-application-seed")?.inputs.input),
    );
    const definitions = JSON.stringify(containers.map(({ inputs }) => inputs));
    expect(definitions).not.toContain(password);
    expect(definitions).not.toContain(secretKey);
    const delivery = all.find(({ name }) => name === "configure-primary-application");
    expect([...(delivery?.secretInputs ?? [])]).toEqual(["stdin"]);
    expect(String(delivery?.inputs.stdin)).toContain(password);
  });
});
