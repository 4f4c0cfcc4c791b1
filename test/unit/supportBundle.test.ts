import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { alertSecrets, alertSettingsSchema } from "../../core/alerts/settings.ts";
import { bundleName, longestFile, makeBundle } from "../../core/supportBundle/archive.ts";
import { redactor, removed, withoutEnvironments } from "../../core/supportBundle/redact.ts";
import { formsOf } from "../../core/supportBundle/secretForms.ts";
import { secretsOfStack } from "../../core/supportBundle/stackSecrets.ts";
import { textOfFrames } from "../../scripts/supportBundle/container.ts";
import { RecentLog } from "../../server/support/recentLog.ts";
import { filesOf } from "../support/supportBundle.ts";

const token = "Zm9vYmFyLXRoaXMtaXMtYS10b2tlbi1vZi0zMi1ieXRlcw";
const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("redaction", () => {
  test.each<[string, string]>([
    ["as it is", token],
    ["in hex", Buffer.from(token).toString("hex")],
    ["in upper hex", Buffer.from(token).toString("hex").toUpperCase()],
    ["in base64", base64(token)],
    ["in base64 behind one byte", base64(`:${token}`)],
    ["in base64 behind a name", base64(`administrator:${token}`)],
    ["in base64url", Buffer.from(`xy${token}z`).toString("base64url")],
    ["as the bytes it stands for, in hex", Buffer.from(token, "base64").toString("hex")],
    ["as the bytes it stands for, in base64", Buffer.from(token, "base64").toString("base64")],
  ])("should take a known secret out %s", (_, form) => {
    const text = redactor([token])(`before ${form} after`);
    expect(text).toMatch(/^before .*\[removed\].* after$/);
    for (const left of formsOf(token)) expect(text).not.toContain(left);
  });

  test("should leave no form of any known secret, wherever it stands", () => {
    const secrets = fc
      .string({ unit: "binary", minLength: 12, maxLength: 60 })
      .filter((text) => /\S/.test(text));
    const around = fc.string({ maxLength: 20 });
    const forms = (secret: string, before: string, after: string): readonly string[] => [
      `${before}${secret}${after}`,
      base64(before + secret + after),
      Buffer.from(before + secret + after).toString("base64url"),
      Buffer.from(before + secret + after).toString("hex"),
      encodeURIComponent(before + secret + after),
      JSON.stringify({ [before]: secret + after }),
    ];
    fc.assert(
      fc.property(secrets, around, around, (secret, before, after) => {
        // Half of a pair of surrogates has no form in UTF-8.
        fc.pre(secret === Buffer.from(secret).toString());
        const redact = redactor([secret]);
        const rest = forms(secret, before, after).map(redact);
        expect(formsOf(secret).filter((form) => rest.some((text) => text.includes(form)))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test.each<[string, string, string]>([
    ["a password in a connection string", "host=a password=abc user=b", `host=a password=${removed} user=b`],
    ["a quoted one", "password='a b' user=b", `password=${removed} user=b`],
    ["one in a URL", "postgresql://me:geheim@host/db", `postgresql://me:${removed}@host/db`],
    ["a header", "authorization: Bearer abcdefgh.ijk", `authorization: Bearer ${removed}`],
    ["a field of JSON", '{"token":"a\\"b","x":1}', `{"token":"${removed}","x":1}`],
    [
      "a variable of an environment",
      "PGPASSWORD=abc POSTGRES_PASSWORD='a b'",
      `PGPASSWORD=${removed} POSTGRES_PASSWORD=${removed}`,
    ],
    ["a parameter of a URL", "/x?access_token=abc&b=1", `/x?access_token=${removed}&b=1`],
    [
      "a field with a longer name",
      '{"client_secret": "a","adminToken":"b"}',
      `{"client_secret": "${removed}","adminToken":"${removed}"}`,
    ],
    [
      "a field of JSON within JSON",
      String.raw`{"msg":"{\"password\":\"abc\",\"x\":1}"}`,
      String.raw`{"msg":"{\"password\":\"${removed}\",\"x\":1}"}`,
    ],
    ["a verifier", "PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy'", `PASSWORD '${removed}'`],
    [
      "a private key, also one that is cut off",
      "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY----- and -----BEGIN EC PRIVATE KEY-----\nAB",
      `${removed} and ${removed}`,
    ],
  ])("should take out what looks like %s", (_, text, expected) => {
    expect(redactor([])(text)).toBe(expected);
  });

  test.each([
    "a-",
    "a.",
    "password",
    "ab",
    "a:",
    "-----BEGIN ",
    "x://",
    "token_",
  ])("should take no long time for a long text of %s", (part) => {
    const from = performance.now();
    redactor([])(part.repeat(400_000 / part.length));
    expect(performance.now() - from).toBeLessThan(2000);
  });

  test("should find a key in PEM by each of its lines", () => {
    const line = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
    const redact = redactor([`-----BEGIN PRIVATE KEY-----\n${line}\n-----END PRIVATE KEY-----\n`]);
    expect(redact(`error near ${line}`)).toBe(`error near ${removed}`);
    expect(redact("-----BEGIN CERTIFICATE-----")).toBe("-----BEGIN CERTIFICATE-----");
  });

  test("should keep what is no secret", () => {
    const text = '{"passwordFile":"/a/b","adminTokenHashFile":"/c","name":"token","passfile=/x":1}';
    expect(redactor([token, "", "abc"])(text)).toBe(text);
  });

  test("should keep of an environment the names", () => {
    expect(withoutEnvironments({ application: { image: "a", environment: { KEY: "geheim" } } })).toEqual({
      application: { image: "a", environment: { KEY: removed } },
    });
  });
});

describe("the secrets of a stack", () => {
  const state = JSON.stringify({
    deployment: {
      resources: [
        { type: "pulumi:index:Stash", urn: "a::b::dev-operator", outputs: { output: "operator-password" } },
        { type: "docker:index:Container", urn: "a::b::dev-primary", outputs: { output: "no secret" } },
      ],
    },
  });
  const alerts = { webhook: { url: "https://example.com/new" }, silenced: ["disk"], mail: { to: ["ada@b"] } };
  const config = JSON.stringify({
    "pg-continuity:alerts": { value: JSON.stringify(alerts), secret: true },
    "pg-continuity:gatewayKey": { value: "gateway-key", secret: true },
    "pg-continuity:model": { value: "full" },
  });
  const applied = {
    alerts: alertSettingsSchema.parse({ webhook: { url: "https://example.com/old" }, silenced: ["disk"] }),
  };
  const marked = {
    "pg-continuity:alerts": {
      webhook: { url: { secure: "v1:…" } },
      silenced: ["disk"],
      mail: { to: ["ada@b"] },
    },
    "pg-continuity:gatewayKey": { secure: "v1:…" },
    "pg-continuity:model": "full",
  };

  test("are what is marked as one, and nothing that stands beside it; also what was applied before", () => {
    expect(secretsOfStack({ state, config, marked, applied })).toEqual([
      ...["operator-password", "https://example.com/new", "gateway-key", "https://example.com/old"],
    ]);
  });

  test("are all of a value where nobody can tell what of it is one", () => {
    const all = secretsOfStack({ state, config, marked: undefined, applied });
    expect(all).toEqual(expect.arrayContaining(["https://example.com/new", "disk", "ada@b", "gateway-key"]));
    expect(all).not.toContain("full");
  });

  test("of alerts are not what every receiver has by itself", () => {
    expect(alertSecrets(alertSettingsSchema.parse({}))).toEqual([]);
    const snmp = { community: "mine", authenticationPassword: "signs", encryptionPassword: "hides" };
    expect(alertSecrets(alertSettingsSchema.parse({ snmp }))).toEqual(["mine", "signs", "hides"]);
  });
});

describe("a support bundle", () => {
  test("should be whole, whatever its size and however many are made at once", async () => {
    const sizes = Array.from({ length: 200 }, (_, number) => number * 300);
    const archives = await Promise.all(
      sizes.map((size) => {
        const parts = Array.from({ length: 14 }, (_, number) => ({
          path: `${number}.txt`,
          collect: async () => randomBytes(number % 2 === 0 ? 1 : size).toString("hex"),
        }));
        return makeBundle(parts, { name: "b", redact: redactor([]), about: {} });
      }),
    );
    for (const archive of archives) expect((await filesOf(archive)).size).toBe(15);
  });

  test("should hold every part without secrets, and a file that says why where one failed", async () => {
    const told: unknown[] = [];
    const archive = await makeBundle(
      [
        { path: "good.txt", collect: async () => `the token is ${token}` },
        { path: "bad.json", collect: async () => Promise.reject(new Error(`no route to ${token}`)) },
        { path: "late.txt", collect: () => new Promise(() => undefined) },
        { path: "long.txt", collect: async () => `${"first line\n".repeat(400_000)}last line\n` },
      ],
      {
        name: "b",
        redact: redactor([token]),
        about: { stack: "dev" },
        partSeconds: 0.05,
        progress: (part) => told.push(part.path),
      },
    );
    const files = await filesOf(archive);
    expect([...files.keys()]).toEqual([
      "manifest.json",
      "good.txt",
      "bad.json.failed.txt",
      "late.txt.failed.txt",
      "long.txt",
    ]);
    expect(files.get("good.txt")).toBe(`the token is ${removed}`);
    expect(files.get("bad.json.failed.txt")).toBe(`This could not be collected: no route to ${removed}\n`);
    expect(files.get("late.txt.failed.txt")).toContain("no answer within 0.05 s");
    const long = files.get("long.txt") ?? "";
    expect(long).toMatch(/^\[what stood before is left out[^\n]*\nfirst line\n/);
    expect(long.endsWith("last line\n")).toBe(true);
    expect(long.length).toBeLessThan(longestFile + 200);
    expect(JSON.parse(files.get("manifest.json") ?? "")).toMatchObject({
      stack: "dev",
      files: [
        { path: "good.txt", problem: null },
        { problem: `no route to ${removed}` },
        { problem: "no answer within 0.05 s" },
        { path: "long.txt", problem: null },
      ],
    });
    expect(told).toHaveLength(4);
  });

  test("is named by what it is of, and when", () => {
    expect(bundleName("dev", new Date("2026-11-21T10:04:20.817Z"))).toBe(
      "support-bundle-dev-2026-11-21T10-04-20Z",
    );
  });
});

test("the recent log passes every line on and keeps the last ones", () => {
  let passed = 0;
  const log = new RecentLog({ write: () => void passed++ });
  for (let number = 0; number < 20_000; number += 1) log.write(`${"x".repeat(90)} ${number}\n`);
  expect(passed).toBe(20_000);
  expect(log.text.length).toBeLessThanOrEqual(512 * 1024);
  expect(log.text.length).toBeGreaterThan(500 * 1024);
  expect(log.text.endsWith(" 19999\n")).toBe(true);
  expect(log.text).toMatch(/^x+ \d+\n/);
});

test("frames of the engine become text, also where the last one is cut off", () => {
  const frame = (stream: number, text: string) => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const all = Buffer.concat([frame(1, "out\n"), frame(2, "fehler ü\n"), frame(1, "cut")]);
  expect(textOfFrames(all)).toBe("out\nfehler ü\ncut");
  expect(textOfFrames(all.subarray(0, all.length - 2))).toBe("out\nfehler ü\nc");
  expect(textOfFrames(Buffer.alloc(3))).toBe("");
});
