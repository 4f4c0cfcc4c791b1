import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";
import type { KeyPair } from "./credentials.ts";

x509.cryptoProvider.set(webcrypto);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const day = 24 * 3600 * 1000;

/** How long certificates are valid, in days. */
export const validity = { authority: 3650, node: 825 } as const;

/** A certificate authority of the stack's own: nothing outside the stack trusts it, and it trusts nothing else. */
export async function createAuthority(stack: string, now = new Date()): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=pg-continuity ${stack} CA`,
    notBefore: new Date(now.getTime() - day),
    notAfter: new Date(now.getTime() + validity.authority * day),
    signingAlgorithm: algorithm,
    keys: keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString("pem")}\n`, key: await privateKeyPem(keys.privateKey) };
}

/**
 * The certificate with which an authority is accepted by whoever still trusts only the one before it: its own key,
 * signed by the one before (RFC 4210, 4.4: "new with old"). Both have the same name, so that no chain gets longer by it
 * in the sense of a path length.
 */
export async function crossSign(former: KeyPair, authority: KeyPair): Promise<string> {
  const issuer = new x509.X509Certificate(former.certificate);
  const subject = new x509.X509Certificate(authority.certificate);
  if (issuer.subject !== subject.subject)
    throw new Error(
      `an authority can only follow one of the same name: ${issuer.subject}, ${subject.subject}`,
    );
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: subject.subject,
    issuer: issuer.subject,
    notBefore: subject.notBefore,
    notAfter: issuer.notAfter < subject.notAfter ? issuer.notAfter : subject.notAfter,
    signingAlgorithm: algorithm,
    publicKey: subject.publicKey,
    signingKey: await importPrivateKey(former.key),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(subject.publicKey),
      // By this the two authorities of one name are told apart.
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

/**
 * A certificate for one node, signed by the authority.
 *
 * @param names DNS names and IP addresses; the first is the common name
 */
export async function issueCertificate(
  authority: KeyPair,
  names: readonly string[],
  now = new Date(),
): Promise<KeyPair> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${names[0] ?? "node"}`,
    issuer: issuer.subject,
    notBefore: new Date(now.getTime() - day),
    notAfter: new Date(now.getTime() + validity.node * day),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: await importPrivateKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) ? ("ip" as const) : ("dns" as const), value: name })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { certificate: `${certificate.toString("pem")}\n`, key: await privateKeyPem(keys.privateKey) };
}

/** A random secret that needs no quoting anywhere: 256 bits, base64url. */
export function randomSecret(): string {
  return randomBytes(32).toString("base64url");
}

function serialNumber(): string {
  const bytes = randomBytes(16);
  // A positive number without leading zeros, as RFC 5280 wants it.
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key));
  return `${x509.PemConverter.encode(der, "PRIVATE KEY")}\n`;
}

async function importPrivateKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = x509.PemConverter.decodeFirst(pem);
  return webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
}
