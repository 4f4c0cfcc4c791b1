import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { beforeAll, describe, expect, it } from "vitest";
import type { KeyPair } from "../../core/credentials.ts";
import { createAuthority, crossSign, issueCertificate, randomSecret, validity } from "../../core/pki.ts";

const now = new Date("2026-01-02T03:04:05Z");
const day = 24 * 3600 * 1000;

// Read with Node.js' own parser, not with the library that wrote them.
describe("certificates", () => {
  let authority: KeyPair;
  let node: KeyPair;
  let ca: X509Certificate;
  let certificate: X509Certificate;

  beforeAll(async () => {
    authority = await createAuthority("unit", now);
    node = await issueCertificate(authority, ["shared-database", "localhost", "127.0.0.1"], now);
    ca = new X509Certificate(authority.certificate);
    certificate = new X509Certificate(node.certificate);
  });

  it("of the authority names the stack and may sign", () => {
    expect(ca.subject).toBe("CN=pg-continuity unit CA");
    expect(ca.ca).toBe(true);
    expect(ca.verify(ca.publicKey)).toBe(true);
  });

  it("of a node is signed by the authority and may not sign", () => {
    expect(certificate.checkIssued(ca)).toBe(true);
    expect(certificate.verify(ca.publicKey)).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  });

  it("of a node is valid for its names and no others", () => {
    expect(certificate.subject).toBe("CN=shared-database");
    expect(certificate.subjectAltName).toBe("DNS:shared-database, DNS:localhost, IP Address:127.0.0.1");
    expect(certificate.checkHost("shared-database")).toBe("shared-database");
    expect(certificate.checkHost("read-only-database")).toBeUndefined();
    expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
  });

  it("hold their own key", () => {
    expect(certificate.checkPrivateKey(createPrivateKey(node.key))).toBe(true);
    expect(ca.checkPrivateKey(createPrivateKey(authority.key))).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(authority.key))).toBe(false);
  });

  it("are valid from a day ago, for clocks that differ, as long as promised", () => {
    expect(new Date(certificate.validFrom).getTime()).toBe(now.getTime() - day);
    expect(new Date(certificate.validTo).getTime()).toBe(now.getTime() + validity.node * day);
    expect(new Date(ca.validTo).getTime()).toBe(now.getTime() + validity.authority * day);
  });

  it("of another authority are not accepted", async () => {
    const other = new X509Certificate((await createAuthority("unit", now)).certificate);
    expect(certificate.verify(other.publicKey)).toBe(false);
  });

  it("have serial numbers of their own", async () => {
    const again = new X509Certificate((await issueCertificate(authority, ["a"], now)).certificate);
    expect(again.serialNumber).not.toBe(certificate.serialNumber);
    expect(again.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
  });
});

describe("an authority that follows another", () => {
  /** What a client that trusts `ca` says of a server with this certificate, in a real handshake. */
  async function handshake({ certificate: cert, key }: KeyPair, ca: string): Promise<string> {
    const server = createServer({ cert, key }, (socket) => socket.end()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const client = connect({ host: "127.0.0.1", port, servername: "gateway", ca, rejectUnauthorized: false });
    await once(client, "secureConnect");
    const seen = client.authorized ? "accepted" : String(client.authorizationError);
    client.destroy();
    server.close();
    return seen;
  }

  it("is accepted by whoever trusts the one before, and does not accept what that one has signed", async () => {
    const former = await createAuthority("unit");
    const authority = await createAuthority("unit");
    const issued = await issueCertificate(authority, ["gateway"]);
    const chained = {
      ...issued,
      certificate: `${issued.certificate}${await crossSign(former, authority)}`,
    };
    const old = await issueCertificate(former, ["gateway"]);
    const both = `${former.certificate}${authority.certificate}`;

    expect(await handshake(chained, former.certificate)).toBe("accepted");
    expect(await handshake(chained, authority.certificate)).toBe("accepted");
    for (const pair of [old, chained, issued]) expect(await handshake(pair, both)).toBe("accepted");
    // Without the certificate that leads from one to the other nobody could know.
    expect(await handshake(issued, former.certificate)).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    expect(await handshake(old, authority.certificate)).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    const stranger = await createAuthority("unit");
    expect(await handshake(chained, stranger.certificate)).toMatch(/^UNABLE_TO_/);
  });

  it("has its name: of another stack it cannot follow", async () => {
    const other = await createAuthority("other");
    await expect(crossSign(other, await createAuthority("unit"))).rejects.toThrow(
      "an authority can only follow one of the same name: CN=pg-continuity other CA, CN=pg-continuity unit CA",
    );
  });
});

it("secrets need no quoting, hold 256 bits and differ", () => {
  const all = Array.from({ length: 100 }, randomSecret);
  for (const secret of all) expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(new Set(all).size).toBe(100);
});
