import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { checkServerIdentity, connect } from "node:tls";
import { type CertificateObservation, known, type Observed, unknown } from "../../core/observation.ts";
import type { DatabaseNode, GatewayNode, ServerNode } from "../../core/topology.ts";
import { messageOf } from "./container.ts";

/**
 * The certificate that a node presents at its published port, verified as its clients verify it. One that is not
 * valid any more is shown too, with what is wrong.
 *
 * @param ca PEM: the authorities that are trusted
 * @param name by which the client asks for it, and which it must be valid for
 */
export function observeCertificate(
  node: DatabaseNode | ServerNode | GatewayNode,
  ca: string,
  name: string = node.node,
): Promise<Observed<CertificateObservation>> {
  return new Promise((resolve) => {
    const socket = connect({
      host: node.published.address,
      port: node.published.port,
      // An address is not asked for by name.
      servername: isIP(name) ? "" : name,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
      ca,
      rejectUnauthorized: false,
      minVersion: "TLSv1.2",
      // By this name PostgreSQL takes TLS from the first byte.
      ...(node.kind === "database" ? { ALPNProtocols: ["postgresql"] } : {}),
    });
    const give = (seen: Observed<CertificateObservation>): void => {
      // In order, not cut: PostgreSQL logs a handshake whose last message does not come.
      socket.end();
      resolve(seen);
    };
    socket.setTimeout(3000, () => {
      resolve(unknown("no TLS connection within 3 s"));
      socket.destroy();
    });
    socket.on("error", (error) => give(unknown(`no TLS connection (${messageOf(error)})`)));
    socket.on("end", () => give(unknown("no TLS connection (it was ended)")));
    socket.on("secureConnect", () => {
      const { valid_to: validTo } = socket.getPeerCertificate();
      const problem = socket.authorized ? null : messageOf(socket.authorizationError);
      give(known({ expiresAt: new Date(validTo).toISOString(), problem }));
    });
  });
}

/** The certificate of the authority in use: the first of those that are trusted. */
export function authorityCertificate(ca: string): Observed<CertificateObservation> {
  try {
    const { validTo } = new X509Certificate(ca);
    const expiresAt = new Date(validTo);
    return known({
      expiresAt: expiresAt.toISOString(),
      problem: expiresAt.getTime() < Date.now() ? "CERT_HAS_EXPIRED" : null,
    });
  } catch (error) {
    return unknown(`the stack's outputs hold no certificate (${messageOf(error)})`);
  }
}
