import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";
import type { Problem } from "./problems.ts";

/** What of the settings is about the certificate that the gateway shows to clients. All PEM; empty where there is none. */
export interface OwnCertificateSettings {
  /** The gateway's certificate, then those that lead from it to an authority. */
  readonly gatewayCertificate: string;
  readonly gatewayKey: string;
  /** Authorities that clients are to trust, where they do not know them anyway. */
  readonly gatewayAuthority: string;
  readonly gatewayAddress: string;
}

/** How a certificate of one's own is looked at. */
export interface CertificateCheck {
  /** At which clients reach the gateway. */
  readonly address: string;
  readonly now: Date;
  /** The key is a secret that cannot be seen from here: whether it is the right one is left open. */
  readonly keyIsHidden: boolean;
  /** Whether the key is encrypted in the stack's config. */
  readonly keyIsSecret: boolean;
}

/** The name by which the stack's own parts ask for the gateway: they get the stack's certificate, not one's own. */
export const innerGatewayName = "gateway";

const setCertificate = '"pulumi config set gatewayCertificate < CHAIN.pem"';
const setKey = '"pulumi config set --secret gatewayKey < KEY.pem"';

/** How a certificate of one's own is renewed. */
export const renewal = `${setCertificate}, its key with ${setKey}, then "npm run up"`;

/** The two keys of the config without which the gateway shows the stack's own certificate again. */
const withoutOwn = 'remove both: "pulumi config rm gatewayCertificate && pulumi config rm gatewayKey"';

/** Everything that is wrong with a certificate of one's own; clients would not accept it, or HAProxy not start with it. */
export function ownCertificateProblems(
  settings: OwnCertificateSettings,
  namespace: string,
  check: CertificateCheck,
): Problem[] {
  const { gatewayCertificate, gatewayKey, gatewayAuthority } = settings;
  const at = (key: keyof OwnCertificateSettings) => `${namespace}:${key}`;
  if (gatewayCertificate === "") return withoutCertificate(settings, at);
  const problems: Problem[] = [];
  const chain = parsed(at("gatewayCertificate"), gatewayCertificate, problems);
  const authorities =
    gatewayAuthority === "" ? [] : parsed(at("gatewayAuthority"), gatewayAuthority, problems);
  const key =
    gatewayKey === "" || check.keyIsHidden ? undefined : parsedKey(at("gatewayKey"), gatewayKey, problems);
  if (gatewayKey === "")
    problems.push({
      path: at("gatewayKey"),
      reason: "is empty, but there is a gatewayCertificate",
      remedy: `Set the certificate's key: ${setKey}.`,
    });
  else if (!check.keyIsSecret)
    problems.push({
      path: at("gatewayKey"),
      reason: "stands readable in the stack's config",
      remedy: `Let it be encrypted: ${setKey}. If somebody may have seen the file, have another key and certificate made.`,
    });
  const [own] = chain;
  if (own === undefined) return problems;
  if (key && !own.checkPrivateKey(key))
    problems.push({
      path: at("gatewayKey"),
      reason: `does not belong to the certificate of ${nameOf(own)}`,
      remedy: `Set the key that this certificate was made for: ${setKey}.`,
    });
  problems.push(
    ...useProblems(at("gatewayCertificate"), own),
    ...nameProblems(at("gatewayCertificate"), own, check.address),
    ...timeProblems(at("gatewayCertificate"), chain, check.now),
    ...chainProblems(at("gatewayCertificate"), chain, authorities),
  );
  return problems;
}

/**
 * The authorities that a client has to trust to accept the gateway's certificate, PEM: those of the settings, else the
 * public one that the chain leads to. Empty without a certificate of one's own.
 */
export function trustOf({ gatewayCertificate, gatewayAuthority }: OwnCertificateSettings): string {
  if (gatewayCertificate === "") return "";
  if (gatewayAuthority !== "") return `${gatewayAuthority.trim()}\n`;
  const last = certificatesIn(gatewayCertificate).at(-1);
  const root = last && publicIssuer(last);
  return root ? root.toString() : "";
}

/** When a chain ends, by its certificate that ends first (ISO 8601); null without one, or where it cannot be read. */
export function endOfChain(pem: string): string | null {
  try {
    const ends = certificatesIn(pem).map(({ validTo }) => Date.parse(validTo));
    return ends.length === 0 ? null : new Date(Math.min(...ends)).toISOString();
  } catch {
    return null;
  }
}

/** A chain in half a sentence: `vault.example.com until 2027-03-01`. */
export function describeCertificate(pem: string): string {
  const [own] = certificatesIn(pem);
  return own ? `${nameOf(own)} until ${dateOf(own.validTo)}` : "no certificate";
}

/** Each certificate of a PEM text. @throws where one cannot be read */
function certificatesIn(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function withoutCertificate(
  { gatewayKey, gatewayAuthority }: OwnCertificateSettings,
  at: (key: keyof OwnCertificateSettings) => string,
): Problem[] {
  return (
    [
      ["gatewayKey", gatewayKey],
      ["gatewayAuthority", gatewayAuthority],
    ] as const
  ).flatMap(([key, value]) =>
    value === ""
      ? []
      : [
          {
            path: at(key),
            reason: "is set, but there is no gatewayCertificate",
            remedy: `Set the certificate with those that lead to its authority: ${setCertificate}, or remove this: "pulumi config rm ${key}".`,
          },
        ],
  );
}

function parsed(path: string, pem: string, problems: Problem[]): readonly X509Certificate[] {
  const file = path.endsWith("Authority") ? "AUTHORITY.pem" : "CHAIN.pem";
  const remedy = `Set it from a file with PEM (-----BEGIN CERTIFICATE-----): "pulumi config set ${path.split(":")[1]} < ${file}".`;
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem))
    problems.push({
      path,
      reason: "holds a private key, too, which only gatewayKey keeps secret",
      remedy: `Take it out of the file. ${remedy} The key goes where it is: ${setKey}. If somebody may have seen it here, have another key and certificate made.`,
    });
  try {
    const found = certificatesIn(pem);
    if (found.length === 0) problems.push({ path, reason: "holds no certificate", remedy });
    return found;
  } catch (error) {
    problems.push({ path, reason: `cannot be read (${messageOf(error)})`, remedy });
    return [];
  }
}

function parsedKey(path: string, pem: string, problems: Problem[]): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    // Of the key itself nothing is said.
    const isEncrypted = /ENCRYPTED/.test(pem);
    problems.push({
      path,
      reason: isEncrypted
        ? "is encrypted with a passphrase, which nobody could type"
        : `cannot be read (${messageOf(error)})`,
      remedy: isEncrypted
        ? 'Set it without: "openssl pkey -in KEY.pem | pulumi config set --secret gatewayKey"; the stack\'s config encrypts it.'
        : `Set it from a file with PEM (-----BEGIN PRIVATE KEY-----): ${setKey}.`,
    });
    return undefined;
  }
}

const serverAuthentication = "1.3.6.1.5.5.7.3.1";

function useProblems(path: string, own: X509Certificate): Problem[] {
  // Undefined where the certificate does not limit what it is for.
  if (own.keyUsage === undefined || own.keyUsage.includes(serverAuthentication)) return [];
  return [
    {
      path,
      reason: `is for other uses than TLS servers (${nameOf(own)})`,
      remedy: "Have one made whose extended key usage is TLS server authentication.",
    },
  ];
}

function nameProblems(path: string, own: X509Certificate, address: string): Problem[] {
  const problems: Problem[] = [];
  const names = namesOf(own);
  const isCovered = isIP(address) ? own.checkIP(address) : own.checkHost(address, { subject: "never" });
  if (isCovered === undefined)
    problems.push({
      path,
      reason: `is valid for ${names.join(", ") || "no name"}, but clients reach the gateway at ${address}`,
      remedy: `Say the name that they use, "pulumi config set gatewayAddress ${names[0]?.replace("*", "gateway") ?? "NAME"}", or have a certificate made with ${address} in its subjectAltName.`,
    });
  if (own.checkHost(innerGatewayName, { subject: "never" }) !== undefined)
    problems.push({
      path,
      reason: `is valid for the name ${innerGatewayName}, too, by which the stack's own parts ask for its own certificate`,
      remedy: "Have one made for the names that clients use.",
    });
  return problems;
}

function timeProblems(path: string, chain: readonly X509Certificate[], now: Date): Problem[] {
  return chain.flatMap((certificate, index) => {
    const which =
      index === 0 ? `(${nameOf(certificate)})` : `(its certificate ${index + 1}, ${nameOf(certificate)})`;
    if (Date.parse(certificate.validTo) < now.getTime())
      return [
        {
          path,
          reason: `has expired on ${dateOf(certificate.validTo)} ${which}`,
          remedy: `Set the renewed one with ${renewal}; or ${withoutOwn}.`,
        },
      ];
    if (Date.parse(certificate.validFrom) > now.getTime())
      return [
        {
          path,
          reason: `is valid only from ${certificate.validFrom} on ${which}`,
          remedy: `Wait until then, or ${withoutOwn}.`,
        },
      ];
    return [];
  });
}

/** Each certificate signed by the next one, and the last by an authority that clients trust. */
function chainProblems(
  path: string,
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
): Problem[] {
  for (const [index, certificate] of chain.entries()) {
    const next = chain[index + 1];
    if (next !== undefined && !isIssuedBy(certificate, next))
      return [
        {
          path,
          reason: `is no chain: ${nameOf(certificate)} was not issued by ${nameOf(next)}, which follows it`,
          remedy: `Put the gateway's certificate first, then the one that has issued it, and so on: ${setCertificate}.`,
        },
      ];
  }
  const last = chain.at(-1);
  if (last === undefined) return [];
  const isTrusted = authorities.some((authority) => isIssuedBy(last, authority) || same(last, authority));
  if (isTrusted || (authorities.length === 0 && publicIssuer(last) !== undefined)) return [];
  const issuer = commonName(last.issuer) ?? last.issuer.replaceAll("\n", ", ");
  return [
    {
      path,
      reason: `ends with ${nameOf(last)}, whose issuer (${issuer}) is ${authorities.length === 0 ? "no public authority" : "not in gatewayAuthority"}`,
      remedy: `Add the certificates that lead to the authority (${setCertificate}), or let clients be told which one to trust: "pulumi config set gatewayAuthority < AUTHORITY.pem".`,
    },
  ];
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** The public authority that has issued a certificate, or that it is. */
function publicIssuer(certificate: X509Certificate): X509Certificate | undefined {
  for (const pem of rootCertificates) {
    const root = new X509Certificate(pem);
    if (root.subject !== certificate.issuer) continue;
    if (same(root, certificate) || isIssuedBy(certificate, root)) return root;
  }
  return undefined;
}

function same(one: X509Certificate, other: X509Certificate): boolean {
  return one.fingerprint256 === other.fingerprint256;
}

function namesOf(certificate: X509Certificate): readonly string[] {
  const names = [...(certificate.subjectAltName ?? "").matchAll(/(?:DNS|IP Address):([^,\s]+)/g)];
  return names.map(([, name]) => name ?? "");
}

function nameOf(certificate: X509Certificate): string {
  return (
    namesOf(certificate)[0] ?? commonName(certificate.subject) ?? certificate.subject.replaceAll("\n", ", ")
  );
}

function commonName(subject: string): string | undefined {
  return /^CN=(.*)$/m.exec(subject)?.[1];
}

function dateOf(time: string): string {
  return new Date(time).toISOString().slice(0, 10);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
