import { createPrivateKey, X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { beforeAll, describe, expect, it } from "vitest";
import type { KeyPair } from "../../core/credentials.ts";
import { describeCertificate, type OwnCertificateSettings, trustOf } from "../../core/ownCertificate.ts";
import { createAuthority, crossSign, issueCertificate } from "../../core/pki.ts";
import { settingChanges } from "../../core/preview/settingChanges.ts";
import { ProblemsError } from "../../core/problems.ts";
import { certificateList, ownCertificateFile } from "../../core/render/haproxy.ts";
import { renderNode } from "../../core/render/node.ts";
import { type ConfigSource, parseSettings, withoutSecrets } from "../../core/settings.ts";
import { deriveTopology } from "../../core/topology.ts";
import { credentials, rawConfig, settingsOf } from "../support/fixtures.ts";

const day = 24 * 3600 * 1000;
const now = new Date();
const own = "pg-continuity:";

/** What is wrong with a config, one line a problem, the namespace left out. */
function problemsOf(config: Readonly<Record<string, unknown>>, source: ConfigSource = {}): readonly string[] {
  try {
    parseSettings(rawConfig(config), { now, ...source });
    return [];
  } catch (error) {
    if (!(error instanceof ProblemsError)) throw error;
    return error.problems.map(({ path, reason, remedy }) => `${path.replace(own, "")}: ${reason}. ${remedy}`);
  }
}

describe("a certificate of one's own for the gateway", () => {
  let authority: KeyPair;
  let gateway: KeyPair;
  let right: OwnCertificateSettings;

  beforeAll(async () => {
    authority = await createAuthority("office");
    gateway = await issueCertificate(authority, ["vault.example.com", "*.vault.example.com", "10.0.0.9"]);
    right = {
      gatewayAddress: "vault.example.com",
      gatewayCertificate: gateway.certificate,
      gatewayKey: gateway.key,
      gatewayAuthority: authority.certificate,
    };
  });

  it("is taken as it is: with its authority, for each of its names", () => {
    for (const gatewayAddress of ["vault.example.com", "eu.vault.example.com", "10.0.0.9"])
      expect(problemsOf({ ...right, gatewayAddress })).toEqual([]);
    expect(problemsOf({ ...right, gatewayAddress: "", publishedAddress: "10.0.0.9" })).toEqual([]);
  });

  it("may come with the certificates that lead to its authority, in their order and no other", async () => {
    const root = await createAuthority("office");
    const chain = `${gateway.certificate}${await crossSign(root, authority)}`;
    const config = { ...right, gatewayCertificate: chain, gatewayAuthority: root.certificate };
    expect(problemsOf(config)).toEqual([]);
    expect(problemsOf({ ...config, gatewayCertificate: gateway.certificate })).toEqual([
      expect.stringMatching(
        /^gatewayCertificate: ends with vault\.example\.com, whose issuer \(pg-continuity office CA\) is not in gatewayAuthority\. Add the certificates that lead to the authority/,
      ),
    ]);
    const [first = "", second = ""] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
    const stranger = await createAuthority("elsewhere");
    expect(problemsOf({ ...config, gatewayCertificate: `${first}${stranger.certificate}${second}` })).toEqual(
      [
        expect.stringContaining(
          "is no chain: vault.example.com was not issued by pg-continuity elsewhere CA, which follows it",
        ),
      ],
    );
  });

  it("of no public authority needs gatewayAuthority; a public one is known", () => {
    expect(problemsOf({ ...right, gatewayAuthority: "" })).toEqual([
      expect.stringMatching(
        /whose issuer \(pg-continuity office CA\) is no public authority\. .* gatewayAuthority/,
      ),
    ]);
    const [root = ""] = rootCertificates;
    const trusted = new X509Certificate(
      trustOf({ ...right, gatewayCertificate: root, gatewayAuthority: "" }),
    );
    expect(trusted.fingerprint256).toBe(new X509Certificate(root).fingerprint256);
    expect(trustOf(right)).toBe(authority.certificate);
    expect(trustOf({ ...right, gatewayCertificate: "" })).toBe("");
  });

  it.each<[what: string, change: (keys: KeyPair) => Partial<OwnCertificateSettings>, said: RegExp]>([
    [
      "no PEM",
      () => ({ gatewayCertificate: "vault" }),
      /^gatewayCertificate: holds no certificate\. Set it from a file/,
    ],
    [
      "PEM with nothing in it",
      () => ({ gatewayCertificate: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" }),
      /^gatewayCertificate: cannot be read \(/,
    ],
    ["no key", () => ({ gatewayKey: "" }), /^gatewayKey: is empty, but there is a gatewayCertificate/],
    [
      "a key that is none",
      () => ({ gatewayKey: "secret text" }),
      /^gatewayKey: cannot be read \((?!.*secret text)/,
    ],
    [
      "the key of another",
      ({ key }) => ({ gatewayKey: key }),
      /^gatewayKey: does not belong to the certificate of vault\.example\.com/,
    ],
    [
      "a key with a passphrase",
      ({ key }) => ({
        gatewayKey: createPrivateKey(key)
          .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
          .toString(),
      }),
      /^gatewayKey: is encrypted with a passphrase, .*openssl pkey -in KEY\.pem/,
    ],
    [
      "a key beside the certificate, where it is not encrypted",
      ({ key }) => ({ gatewayCertificate: `${key}${gateway.certificate}` }),
      /^gatewayCertificate: holds a private key(?!.*BEGIN PRIVATE KEY-----\n)/,
    ],
    [
      "a key beside the authority",
      ({ key }) => ({ gatewayAuthority: `${authority.certificate}${key}` }),
      /^gatewayAuthority: holds a private key/,
    ],
    [
      "an authority that is none",
      () => ({ gatewayAuthority: "x" }),
      /^gatewayAuthority: holds no certificate/,
    ],
    [
      "a name that is none",
      () => ({ gatewayAddress: "a b" }),
      /^gatewayAddress: is neither a DNS name nor an IPv4/,
    ],
  ])("%s is refused", async (_what, change, said) => {
    const other = await issueCertificate(authority, ["other"]);
    expect(problemsOf({ ...right, ...change(other) })[0]).toMatch(said);
  });

  it("is refused where clients would not accept it: expired, not valid yet, for other names, for other uses", async () => {
    const issued = async (names: readonly string[], at = now) => {
      const { certificate, key } = await issueCertificate(authority, names, at);
      return { ...right, gatewayCertificate: certificate, gatewayKey: key };
    };
    expect(problemsOf(await issued(["vault.example.com"], new Date("2020-01-02")))).toEqual([
      expect.stringMatching(
        /^gatewayCertificate: has expired on 2022-04-06 \(vault\.example\.com\)\. Set the renewed one .*or remove both/,
      ),
    ]);
    expect(problemsOf(await issued(["vault.example.com"], new Date(now.getTime() + 9 * day)))).toEqual([
      expect.stringMatching(/^gatewayCertificate: is valid only from .*Wait until then/),
    ]);
    expect(
      problemsOf({ ...(await issued(["vault.example.com", "v.example.com"])), gatewayAddress: "" }),
    ).toEqual([
      'gatewayCertificate: is valid for vault.example.com, v.example.com, but clients reach the gateway at 127.0.0.1. Say the name that they use, "pulumi config set gatewayAddress vault.example.com", or have a certificate made with 127.0.0.1 in its subjectAltName.',
    ]);
    expect(problemsOf(await issued(["vault.example.com", "gateway"]))).toEqual([
      expect.stringContaining("is valid for the name gateway, too"),
    ]);
  });

  it("with all that is wrong at once", async () => {
    const { certificate } = await issueCertificate(
      await createAuthority("other"),
      ["other"],
      new Date("2020-01-02"),
    );
    const said = problemsOf({ ...right, gatewayCertificate: certificate, model: "ful" });
    expect(said).toHaveLength(1);
    expect(problemsOf({ ...right, gatewayCertificate: certificate, transition: "promote" })).toEqual([
      expect.stringMatching(/^gatewayKey: does not belong/),
      expect.stringMatching(/^gatewayCertificate: is valid for other,/),
      expect.stringMatching(/^gatewayCertificate: has expired/),
      expect.stringMatching(/^gatewayCertificate: ends with other/),
      expect.stringMatching(/^transitionId: is empty/),
    ]);
  });

  it("a key or an authority without a certificate is refused", () => {
    expect(problemsOf({ ...right, gatewayCertificate: "" })).toEqual([
      expect.stringMatching(/^gatewayKey: is set, but there is no gatewayCertificate/),
      expect.stringMatching(/^gatewayAuthority: is set, but there is no gatewayCertificate/),
    ]);
  });

  it("its key is refused where the config has it in the open, and left open where it is hidden", () => {
    expect(problemsOf(right as never, { isSecret: () => false })).toEqual([
      expect.stringMatching(/^gatewayKey: stands readable in the stack's config\. Let it be encrypted/),
    ]);
    expect(problemsOf({ ...right, gatewayKey: "[secret]" }, { secretsAreHidden: true })).toEqual([]);
  });

  it("is shown to clients, the stack's own to who asks for the gateway by its name", () => {
    const filesOf = (config: Readonly<Record<string, unknown>>) => {
      const settings = settingsOf(config);
      const topology = deriveTopology("pg-continuity", "unit", settings);
      const certificate = { certificate: "CERTIFICATE\n", key: "KEY\n" };
      const files = renderNode(topology.gateway, { topology, settings, credentials, certificate });
      return new Map(files.map(({ name, content }) => [name, content]));
    };
    const files = filesOf({ ...right });
    expect(files.get(certificateList)?.split("\n")).toEqual([
      `/var/lib/pg-continuity/config/${ownCertificateFile}`,
      "/var/lib/pg-continuity/config/gateway.pem gateway",
      "",
    ]);
    expect(files.get(ownCertificateFile)).toBe(`${gateway.certificate}${gateway.key}`);
    expect(files.get("haproxy.cfg")).toMatch(/bind :8443 ssl crt-list \S+\/certificates\.list alpn/);
    expect([...filesOf({}).keys()]).not.toContain(certificateList);
  });

  it("in what is shown or kept, its key is only said to be there", () => {
    const settings = settingsOf({ ...right });
    expect(withoutSecrets(settings).gatewayKey).toBe("[secret]");
    const changes = settingChanges(settingsOf(), settings);
    expect(changes.find(({ key }) => key === "gatewayKey")?.after).toBe("[secret]");
    expect(changes.find(({ key }) => key === "gatewayCertificate")?.after).toBe(
      describeCertificate(gateway.certificate),
    );
    expect(describeCertificate(gateway.certificate)).toMatch(/^vault\.example\.com until \d{4}-\d\d-\d\d$/);
    expect(JSON.stringify(changes)).not.toContain("PRIVATE KEY");
  });

  it("the name by which clients reach the gateway is in the stack's own certificate, too", () => {
    const { gateway: node, servers } = deriveTopology(
      "pg-continuity",
      "unit",
      settingsOf({ gatewayAddress: "v.example" }),
    );
    expect(node.certificateNames).toContain("v.example");
    expect(node.address).toBe("v.example");
    for (const { certificateNames } of servers) expect(certificateNames).not.toContain("v.example");
  });
});
