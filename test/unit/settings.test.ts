import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Problem, ProblemsError } from "../../core/problems.ts";
import { defaultPorts, parseSettings, settingsSchema } from "../../core/settings.ts";
import { rawConfig, settingsOf, twoHosts } from "../support/fixtures.ts";

/** All problems of a config; none when it is right. */
function problemsOf(config: Readonly<Record<string, unknown>>): readonly Problem[] {
  try {
    settingsOf(config);
    return [];
  } catch (error) {
    if (error instanceof ProblemsError) return error.problems;
    throw error;
  }
}

describe("settings", () => {
  it("have a default for everything", () => {
    const settings = parseSettings({});
    expect(settings.model).toBe("full");
    expect(settings.hosts).toEqual({
      local: { docker: "unix:///var/run/docker.sock", address: "127.0.0.1" },
    });
    expect(settings.publishedAddress).toBe("127.0.0.1");
    expect(settings.ports).toEqual(defaultPorts);
    expect(settings.slotWalKeepMegabytes).toBe(1024);
  });

  it("are frozen all the way down", () => {
    const settings = settingsOf({ displayNames: { primary: "A" } });
    for (const part of [settings, settings.ports, settings.hosts, settings.hosts.local])
      expect(Object.isFrozen(part)).toBe(true);
  });

  it("leave keys of other namespaces alone", () => {
    expect(parseSettings({ "docker:host": "unix:///x", "pulumi:tags": "{}" })).toEqual(parseSettings({}));
  });

  it("take one port and keep the others", () => {
    expect(settingsOf({ ports: { gateway: 9443 } }).ports).toEqual({ ...defaultPorts, gateway: 9443 });
  });
});

describe("what is wrong with settings", () => {
  it.each<[string, Record<string, unknown>, path: string, said: RegExp]>([
    ["a model that does not exist", { model: "ful" }, "model", /"ful" is none of full, secondary, read-only/],
    ["text where an object belongs", { ports: "8443" }, "ports", /is no object/],
    ["text where a number belongs", { ports: { gateway: "x" } }, "ports.gateway", /"x" is no number/],
    ["a fraction", { ports: { gateway: 1.5 } }, "ports.gateway", /1.5 is no whole number/],
    ["a port above the range", { ports: { gateway: 65536 } }, "ports.gateway", /too large \(at most 65535\)/],
    ["a port below the range", { ports: { gateway: 0 } }, "ports.gateway", /too small \(at least 1\)/],
    [
      "a port that is used twice",
      { ports: { gateway: 8451 } },
      "ports.primary-server",
      /port of gateway too/,
    ],
    ["an unknown node's port", { ports: { gatway: 1 } }, "ports.gatway", /Did you mean "gateway"\?/],
    ["a schedule of four fields", { backups: { schedule: "0 2 * *" } }, "backups.schedule", /has 4 fields/],
    [
      "an hour that there is not",
      { backups: { schedule: "0 24 * * *" } },
      "backups.schedule",
      /"0 24 \* \* \*" has the hour 24, which is none of 0 to 23/,
    ],
    ["no backup that is kept", { backups: { keep: 0 } }, "backups.keep", /too small \(at least 1\)/],
    ["an address that is none", { publishedAddress: "localhost" }, "publishedAddress", /is no IPv4 address/],
    [
      "a host that is no URL",
      { hosts: { a: { docker: "/x", address: "a" } } },
      "hosts.a.docker",
      /no Docker URL/,
    ],
    ["a host without address", { hosts: { a: { docker: "ssh://a" } } }, "hosts.a.address", /is missing/],
    [
      "a host's unknown field",
      { hosts: { a: { docker: "ssh://a", address: "a", adress: "b" } } },
      "hosts.a.adress",
      /Did you mean "address"\?/,
    ],
    [
      "a host with a wrong name",
      { hosts: { "Host A": { docker: "ssh://a", address: "a" } } },
      "hosts.Host A",
      /no host name/,
    ],
    [
      "a placement on no host",
      { placement: { gateway: "mars" } },
      "placement.gateway",
      /not among the hosts/,
    ],
    [
      "a placement of no node",
      { placement: { gatway: "local" } },
      "placement.gatway",
      /Did you mean "gateway"\?/,
    ],
    [
      "two hosts that are one engine",
      {
        hosts: {
          a: { docker: "ssh://one", address: "10.0.0.1" },
          b: { docker: "ssh://one", address: "10.0.0.2" },
        },
      },
      "hosts.b.docker",
      /is the engine of host a too/,
    ],
    [
      "several hosts that publish for themselves only",
      { ...twoHosts, placement: { ...twoHosts.placement, gateway: "alpha" }, publishedAddress: "127.0.0.1" },
      "publishedAddress",
      /placed on several hosts.*publishedAddress 0\.0\.0\.0/,
    ],
    ["an empty display name", { displayNames: { primary: "" } }, "displayNames.primary", /too short/],
    ["a slot limit that is too low", { slotWalKeepMegabytes: 16 }, "slotWalKeepMegabytes", /at least 64/],
    [
      "a parameter of the project's own",
      { postgresParameters: { fsync: "off" } },
      "postgresParameters.fsync",
      /is set by this project itself/,
    ],
    [
      "synchronous replication without a replica",
      { synchronous: true, model: "secondary" },
      "synchronous",
      /needs a replica.*pulumi config set synchronous false/,
    ],
    [
      "less memory than shared buffers need",
      { resources: { database: { memoryMegabytes: 256 } }, postgresParameters: { shared_buffers: "0.25GB" } },
      "resources.database.memoryMegabytes",
      /256 is too little for shared_buffers of 256 MB.*Allow at least 342 MB, or lower shared_buffers: .* 192MB"/,
    ],
    [
      "a database that cannot run in so little",
      { resources: { database: { memoryMegabytes: 100 } } },
      "resources.database.memoryMegabytes",
      /too small \(at least 256\)/,
    ],
    [
      "half a CPU share",
      { resources: { server: { cpuShares: 0.5 } } },
      "resources.server.cpuShares",
      /whole/,
    ],
    ["no CPU at all", { resources: { gateway: { cpus: 0 } } }, "resources.gateway.cpus", /at least 0\.1/],
    [
      "a limit of something else",
      { resources: { server: { memory: 1 } } },
      "resources.server.memory",
      /Known are: memoryMegabytes, cpuShares, cpus/,
    ],
    ["a revision that is no tag", { imageRevision: "March 2026" }, "imageRevision", /is no revision/],
    [
      "a revision of no image",
      { imageRevisions: { databases: "2026-03" } },
      "imageRevisions.databases",
      /Known are: database, server, gateway/,
    ],
    [
      "a volume given up that is no data volume",
      { giveUpVolume: "gateway-state" },
      "giveUpVolume",
      /is no data volume \(shared-database-data, /,
    ],
    [
      "the only copy given up",
      { giveUpVolume: "shared-database-data", model: "secondary" },
      "giveUpVolume",
      /holds the only copy of the data.*pulumi config rm giveUpVolume/,
    ],
    [
      "a parameter that cannot be one",
      { postgresParameters: { "work mem": "1MB" } },
      "postgresParameters.work mem",
      /is no parameter of PostgreSQL 17/,
    ],
    [
      "a parameter with an object",
      { postgresParameters: { work_mem: {} } },
      "postgresParameters.work_mem",
      /is neither text, nor number, nor boolean/,
    ],
  ])("%s", (_name, config, path, said) => {
    const problems = problemsOf(config);
    expect(problems.map((problem) => problem.path)).toEqual([`pg-continuity:${path}`]);
    expect(new ProblemsError(problems).message).toMatch(said);
    for (const { remedy } of problems) expect(remedy).toMatch(/\w.*[.?]$/);
  });

  it("an unknown key, with the nearest known one", () => {
    expect(() => settingsOf({ modell: "full" })).toThrow(/pg-continuity:modell: .*Did you mean "model"\?/);
  });

  it("an unknown key that resembles none, with all known ones", () => {
    expect(() => settingsOf({ zzzzzzzzzz: "1" })).toThrow(/Known are: model, hosts, /);
  });

  it("everything is said at once", () => {
    const config = { model: "ful", colour: "red", slotWalKeepMegabytes: 1, ports: { gateway: 0 } };
    expect(
      problemsOf(config)
        .map(({ path }) => path.replace("pg-continuity:", ""))
        .sort(),
    ).toEqual(["colour", "model", "ports.gateway", "slotWalKeepMegabytes"]);
    expect(() => settingsOf(config)).toThrow(/^4 problems, nothing was changed:\n {2}- /);
  });

  it("whatever is written, either settings or a ProblemsError come of it", () => {
    const keys = fc.constantFrom(...Object.keys(settingsSchema.shape), "other", "__proto__", "");
    const values = fc.oneof(fc.string(), fc.jsonValue(), fc.constantFrom("full", '{"gateway":1}', "null"));
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, values), { maxLength: 5 }), (entries) => {
        const raw = rawConfig(Object.fromEntries(entries));
        try {
          expect(Object.isFrozen(parseSettings(raw))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ProblemsError);
          expect((error as ProblemsError).problems.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("alerts", () => {
  const textOf = (alerts: unknown): string =>
    problemsOf({ alerts })
      .map(({ path, value, reason, remedy }) => [path, value, reason, remedy].join(" "))
      .join("\n");

  it.each([
    [
      { mail: { server: "smtp.example.com" } },
      /alerts\.mail\.from {2}is empty[\s\S]*alerts\.mail\.to {2}names nobody/,
    ],
    [{ mail: { from: "a@example.com" } }, /alerts\.mail\.server {2}is empty, but other fields/],
    [
      { mail: { server: "smtp.example.com", from: "a@example.com", to: ["b@example.com"], user: "a" } },
      /alerts\.mail\.password {2}is empty, but mail\.user is set/,
    ],
    [{ silenced: ["everything"] }, /alerts\.silenced\.0 "everything" is none of no-writable-database/],
    [{ diskPercent: 101 }, /alerts\.diskPercent 101 is too large/],
    [
      { snmp: { adress: "10.0.0.9" } },
      /alerts\.snmp\.adress {2}is no setting of this project.*Did you mean "address"/,
    ],
    [
      { snmp: { address: "10.0.0.9", version: "v3", authenticationPassword: "short" } },
      /alerts\.snmp\.user {2}is empty[\s\S]*authenticationPassword {2}has less than 8[\s\S]*encryptionPassword {2}has less/,
    ],
    [{ snmp: { user: "alerts" } }, /alerts\.snmp\.version {2}is v2c, but user/],
  ])("%j is refused", (alerts, message) => {
    expect(textOf(alerts)).toMatch(message);
  });

  it.each([
    [{ webhook: { url: "hooks.example.com/SECRET" } }],
    [{ mail: { password: 4711 } }],
    [{ snmp: { community: ["SECRET"] } }],
    [{ snmp: { version: "v3", encryptionPassword: "SECRET" } }],
    ["https://hooks.example.com/SECRET"],
  ])("%j is refused without telling what may be a secret", (alerts) => {
    const text = textOf(alerts);
    expect(text).toContain("pg-continuity:alerts");
    expect(text).not.toMatch(/SECRET|4711/);
  });
});
