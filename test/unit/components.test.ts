import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { models } from "../../core/vocabulary.ts";
import { twoHosts } from "../support/fixtures.ts";
import { type Registered, registerDeployment } from "../support/mocks.ts";

const container = "docker:index/container:Container";
const volume = "docker:index/volume:Volume";
const network = "docker:index/network:Network";
const command = "command:local:Command";
const stash = "pulumi:index:Stash";

describe("a full deployment", () => {
  let all: readonly Registered[] = [];
  const ofType = (type: string) => all.filter((resource) => resource.type === type);
  const databases = () => ofType(container).filter(({ name }) => name.endsWith("-database"));

  beforeAll(async () => {
    all = await registerDeployment({});
  });

  it("registers everything once", () => {
    expect(new Set(all.map(({ urn }) => urn)).size).toBe(all.length);
    expect(ofType(container)).toHaveLength(6);
    expect(ofType(volume)).toHaveLength(8);
    expect(ofType(network)).toHaveLength(1);
  });

  it("stops databases in order and with patience, never kills them", () => {
    expect(databases()).toHaveLength(2);
    for (const { inputs } of databases()) {
      expect(inputs.destroyGraceSeconds).toBeGreaterThanOrEqual(60);
      expect(inputs.stopTimeout).toBeGreaterThanOrEqual(60);
      expect(inputs.stopSignal).toBe("SIGINT");
    }
  });

  it("leaves a stopped database stopped: whether it may run is the guard's matter", () => {
    for (const { inputs } of databases()) expect(inputs.mustRun).toBe(false);
  });

  it("does not tell a database container which role it plays", () => {
    for (const { inputs } of databases())
      expect(JSON.stringify(inputs)).not.toMatch(/primary|standby|upstream/);
  });

  it("deletes a container before it makes the new one: name and ports can be held only once", () => {
    for (const { options } of [...ofType(container), ...ofType(network)])
      expect(options.deleteBeforeReplace).toBe(true);
  });

  it("replaces a container for what the plugin would not apply to a running one", () => {
    for (const { options } of ofType(container))
      expect(options.replaceOnChanges).toEqual(
        expect.arrayContaining(["healthcheck", "init", "tmpfs", "rm"]),
      );
  });

  it("gives containers no more rights than they need", () => {
    for (const { inputs } of ofType(container)) {
      expect(inputs.readOnly).toBe(true);
      expect(inputs.capabilities).toEqual({ drops: ["ALL"] });
      expect(inputs.securityOpts).toEqual(["no-new-privileges:true"]);
      expect(inputs.privileged).toBeUndefined();
      expect(inputs.networkMode).toBe("bridge");
    }
  });

  it("puts no environment, upload or secret into a container's definition", () => {
    for (const { inputs, secretInputs } of ofType(container)) {
      expect(inputs.envs).toBeUndefined();
      expect(inputs.uploads).toBeUndefined();
      expect([...secretInputs]).toEqual([]);
    }
  });

  it("publishes on 127.0.0.1 only", () => {
    const ports = ofType(container).flatMap(({ inputs }) => inputs.ports as { ip: string }[]);
    expect(ports).toHaveLength(7);
    for (const { ip } of ports) expect(ip).toBe("127.0.0.1");
  });

  it("keeps every volume, and protects every secret that cannot be made again", () => {
    // Those of a node that another model does not have leave the stack with it, and stay on the host.
    const kept = ofType(volume).map(({ name, options }) => [
      name,
      options.protect ? "protected" : options.retainOnDelete ? "retained" : "lost",
    ]);
    expect(Object.fromEntries(kept)).toEqual({
      "shared-database-data": "protected",
      "shared-database-state": "protected",
      "primary-server-state": "protected",
      "gateway-state": "protected",
      "secondary-server-state": "retained",
      "read-only-server-state": "retained",
      "read-only-database-data": "retained",
      "read-only-database-state": "retained",
    });
    const isProtected = ofType(stash).map(({ name, options }) => [name, options.protect === true]);
    expect(Object.fromEntries(isProtected)).toMatchObject({
      "credentials-authority": true,
      "credentials-login-application": true,
      "credentials-login-operator": true,
      "credentials-encryption-key": true,
      "credentials-admin-token": true,
      // Made again from the authority, whenever a node's names change.
      "credentials-certificate-gateway": false,
    });
  });

  it.each<[what: string, config: Record<string, unknown>, fates: Record<string, string>]>([
    [
      "the given up one, and no other",
      { giveUpVolume: "shared-database-data" },
      {
        "shared-database-data": "lost",
        "shared-database-state": "retained",
        "read-only-database-data": "retained",
        "gateway-state": "protected",
      },
    ],
    [
      "that of the replica, given up",
      { giveUpVolume: "read-only-database-data" },
      { "shared-database-data": "protected", "read-only-database-data": "lost" },
    ],
    [
      "none without data protection, but it may leave the stack",
      { dataProtection: false },
      {
        "shared-database-data": "retained",
        "shared-database-state": "retained",
        "gateway-state": "retained",
      },
    ],
  ])("lets a volume be lost: %s", async (_what, config, fates) => {
    const volumes = (await registerDeployment(config)).filter(({ type }) => type === volume);
    const fate = Object.fromEntries(
      volumes.map(({ name, options }) => [
        name,
        options.protect ? "protected" : options.retainOnDelete ? "retained" : "lost",
      ]),
    );
    expect(fate).toMatchObject(fates);
  });

  it("stops a database before its data volume is replaced", () => {
    for (const { name, options } of ofType(volume))
      expect([name, options.deleteBeforeReplace === true]).toEqual([name, name.endsWith("-data")]);
  });

  it("hands every stash its value as a secret, and keeps the first", () => {
    expect(ofType(stash)).toHaveLength(17);
    for (const { secretInputs, options } of ofType(stash)) {
      expect([...secretInputs]).toEqual(["input"]);
      expect(options.ignoreChanges).toEqual(["input"]);
    }
  });

  it("hands configuration to commands on standard input, secret, and nothing secret otherwise", () => {
    const configure = ofType(command).filter(({ name }) => name.startsWith("configure-"));
    expect(configure).toHaveLength(6);
    for (const { secretInputs } of configure) expect([...secretInputs]).toEqual(["stdin"]);
    for (const { name, secretInputs } of ofType(command))
      if (!name.startsWith("configure-")) expect([name, ...secretInputs]).toEqual([name]);
  });

  it("lets no command write what it prints to standard output into the log", () => {
    for (const { inputs } of ofType(command)) expect(inputs.logging).toBe("stderr");
  });

  it("does not run a step of the first deployment again because an input changed", () => {
    const once = ofType(command).filter(({ name }) => /^(initialise|attach|build)-/.test(name));
    expect(once.length).toBeGreaterThanOrEqual(5);
    for (const { inputs } of once) expect(inputs.update).toBe('printf "%s" "$PULUMI_COMMAND_STDOUT"');
  });

  it("deletes what releases the replica after the replica, so that its slot is free by then", () => {
    const replica = databases().find(({ name }) => name === "read-only-database");
    const after = [replica?.options.dependsOn]
      .flat()
      .map((resource) => (resource as { __name?: string }).__name);
    expect(after).toContain("release-read-only-database");
  });

  const serversInTurn = [
    "restart-databases-for-parameters → secondary-server",
    "await-secondary-server → primary-server",
    "await-primary-server → read-only-server",
    "await-read-only-server → gateway",
  ];
  it.each<[string, "shared" | "read-only" | undefined, readonly string[]]>([
    ["a first deployment waits for nobody", undefined, []],
    [
      "the standby first, each once the one before works again",
      "shared",
      ["await-read-only-database → shared-database", ...serversInTurn],
    ],
    [
      "after a promotion the shared database first",
      "read-only",
      ["await-shared-database → read-only-database", ...serversInTurn],
    ],
  ])("makes containers anew one at a time: %s", async (_name, writable, turnsWanted) => {
    const containers = (await registerDeployment({}, false, writable)).filter(
      ({ type }) => type === container,
    );
    const turns = containers.flatMap(({ name, options }) =>
      [options.dependsOn].flat().flatMap((resource) => {
        const before = (resource as { __name?: string } | undefined)?.__name ?? "";
        return /^(await|restart)-/.test(before) ? [`${before} → ${name}`] : [];
      }),
    );
    expect(turns.sort()).toEqual([...turnsWanted].sort());
  });

  it("waits for no node that is new", () => {
    const awaits = ofType(command).filter(({ name }) => name.startsWith("await-"));
    expect(awaits.map(({ name }) => name)).toHaveLength(5);
    for (const { inputs } of awaits) {
      expect(inputs.create).toBe(":");
      expect(inputs.update).toMatch(/scripts\/node\/await(Database|Server)\.ts$/);
    }
  });

  it("goes on without a Docker host that does not answer", () => {
    const [provider] = ofType("pulumi:providers:docker");
    // Inputs of a provider are JSON text.
    expect(String(provider?.inputs.disableDockerDaemonCheck)).toBe("true");
  });

  it("labels everything with its stack", () => {
    for (const { inputs } of [...ofType(container), ...ofType(volume), ...ofType(network)])
      expect(inputs.labels).toEqual(
        expect.arrayContaining([
          { label: "pg-continuity.project", value: "pg-continuity" },
          { label: "pg-continuity.stack", value: "unit" },
        ]),
      );
  });
});

describe("with backups", () => {
  let without: readonly Registered[] = [];
  let all: readonly Registered[] = [];
  beforeAll(async () => {
    without = await registerDeployment({});
    all = await registerDeployment({ backups: { schedule: "0 2 * * *" } });
  });
  const named = (name: string, type: string) =>
    all.find((resource) => resource.name === name && resource.type === type);

  it("five resources more are made, none is without", () => {
    const before = new Set(without.map(({ urn }) => urn));
    const more = all.filter(({ urn }) => !before.has(urn)).map(({ name }) => name);
    expect(more.sort()).toEqual(
      [
        "backup",
        "backup",
        "backup-data",
        "backup-state",
        "configure-backup",
        "credentials-login-backup",
      ].sort(),
    );
    expect(all).toHaveLength(without.length + more.length);
  });

  it("the container publishes nothing, has no more rights than others, and starts what makes them", () => {
    const { inputs } = named("backup", container) ?? {};
    expect(inputs).toMatchObject({
      entrypoints: ["/usr/local/bin/backup-entrypoint"],
      ports: [],
      readOnly: true,
      capabilities: { drops: ["ALL"] },
      mustRun: true,
    });
    expect(inputs?.envs).toBeUndefined();
  });

  it("can be turned off again: their volumes stay on the host, the password goes", () => {
    for (const name of ["backup-data", "backup-state"]) {
      const { options } = named(name, volume) ?? {};
      expect([name, options?.protect, options?.retainOnDelete]).toEqual([name, undefined, true]);
    }
    expect(named("credentials-login-backup", stash)?.options.protect).toBeUndefined();
  });

  it("only databases, servers and the container get other files; the password is in that of the container alone", () => {
    const { password } = named("credentials-login-backup", stash)?.inputs.input as { password: string };
    const files = (node: string) => String(named(`configure-${node}`, command)?.inputs.stdin);
    expect(files("backup")).toContain(`*:*:*:backup:${password}`);
    for (const node of ["shared-database", "read-only-database", "primary-server", "gateway"])
      expect([node, files(node).includes(password)]).toEqual([node, false]);
    expect([...(named("configure-backup", command)?.secretInputs ?? [])]).toEqual(["stdin"]);
  });
});

describe("while credentials are replaced", () => {
  let all: readonly Registered[] = [];
  beforeAll(async () => {
    all = await registerDeployment({
      credentials: { passwords: [2, 1], certificates: [1, 2], key: [3], token: [2, 1] },
    });
  });

  it("both generations are kept, and only what is in use is protected", () => {
    const kept = all
      .filter(({ type }) => type === stash)
      .map(({ name, options }) => [name, options.protect === true] as const)
      .filter(([name]) => /login-operator|authority|encryption-key|admin-token/.test(name));
    expect(Object.fromEntries(kept)).toEqual({
      "credentials-login-operator": false,
      "credentials-login-operator-2": true,
      "credentials-authority": true,
      "credentials-authority-2": false,
      "credentials-encryption-key": true,
      "credentials-encryption-key-2": true,
      "credentials-encryption-key-3": true,
      "credentials-admin-token": false,
      "credentials-admin-token-2": true,
    });
  });

  it("nodes get what is accepted, the one in use first; the databases only what is in use", () => {
    const files = (node: string): Record<string, string> => {
      const configure = all.find(({ name }) => name === `configure-${node}`);
      const list = JSON.parse(String(configure?.inputs.stdin)) as { name: string; content: string }[];
      return Object.fromEntries(list.map(({ name, content }) => [name, content]));
    };
    const value = (name: string) =>
      all.find((resource) => resource.type === stash && resource.name === name)?.inputs.input as never;
    const { password: former } = value("credentials-login-application") as { password: string };
    const { password } = value("credentials-login-application-2") as { password: string };
    expect(files("primary-server")["application.password"]).toBe(`${password}\n${former}\n`);
    const { password: monitoring } = value("credentials-login-monitoring-2") as { password: string };
    expect(files("shared-database").pgpass).toContain(`*:*:*:monitoring:${monitoring}\n`);
    expect(files("shared-database").pgpass?.split("\n")).toHaveLength(4);
    expect(files("gateway")["ca.crt"]?.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    const hashes = ["credentials-admin-token-2", "credentials-admin-token"].map((name) =>
      createHash("sha256")
        .update(String(value(name)))
        .digest("hex"),
    );
    expect(files("primary-server")["admin-token.sha256"]?.split("\n")).toEqual([...hashes, ""]);
    expect(files("primary-server")["encryption.key"]).toBe(`${value("credentials-encryption-key-3")}\n`);
  });

  it("nothing is made or delivered before it is looked whether it may be", () => {
    const namesBefore = ({ options }: Registered) =>
      [options.dependsOn].flat().map((one) => (one as { __name?: string }).__name);
    const configure = all.filter(({ name }) => name.startsWith("configure-"));
    expect(configure).toHaveLength(6);
    for (const resource of configure) expect(namesBefore(resource)).toContain("check-keys");
    for (const resource of all.filter(({ type }) => type === stash))
      expect(namesBefore(resource)).toContain("check-credentials");
  });
});

describe("names of resources", () => {
  // A changed name is a deleted and a new resource: data volumes would be refused, containers replaced. Whoever
  // renames one gives it an alias.
  it.each([
    ...models.map((model) => [model, { model }] as const),
    ["two hosts", twoHosts] as const,
  ])("of %s stay as they are", async (name, config) => {
    const urns = (await registerDeployment(config)).map(({ urn }) => urn);
    await expect(`${urns.join("\n")}\n`).toMatchFileSnapshot(`snapshots/${name.replace(" ", "-")}.txt`);
  });
});

it("what stays on its host is the same with a second host, and without it again", async () => {
  const { alpha } = twoHosts.hosts;
  const one = await registerDeployment({ ...twoHosts, hosts: { alpha }, placement: {} });
  const two = await registerDeployment(twoHosts);
  const knownAs = ({ urn, options }: Registered) => [
    urn,
    ...(options.aliases ?? []).map((alias) => urn.replace(/[^:]*$/, (alias as { name: string }).name)),
  ];
  const goneWith = (before: readonly Registered[], after: readonly Registered[]) => {
    const known = new Set(after.flatMap(knownAs));
    return before.filter(({ urn }) => !known.has(urn)).map(({ name }) => name);
  };
  const moved = /^((release|attach|await|configure)-)?read-only-(database|server)(-data|-state)?$/;
  for (const name of goneWith(one, two)) expect(name).toMatch(moved);
  expect(goneWith(one, two)).toContain("read-only-database");
  for (const name of goneWith(two, one)) expect(name).toMatch(/-on-beta|^docker-beta/);
});

it.each(models)("model %s can be previewed before anything exists", async (model) => {
  const preview = await registerDeployment({ model }, true);
  expect(preview.filter(({ type }) => type === container).length).toBeGreaterThanOrEqual(4);
});
