import { createHash, createHmac, pbkdf2Sync } from "node:crypto";

/**
 * The SCRAM-SHA-256 verifier that PostgreSQL stores for a password (RFC 5803; `CREATE ROLE … PASSWORD` takes it as
 * it is). With it no password has to be sent to, logged by or kept on a database node.
 *
 * @param salt base64, 16 bytes or more
 */
export function scramVerifier(password: string, salt: string, iterations = 4096): string {
  const salted = pbkdf2Sync(
    password.normalize("NFKC"),
    Buffer.from(salt, "base64"),
    iterations,
    32,
    "sha256",
  );
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest("base64");
  const serverKey = createHmac("sha256", salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt}$${storedKey}:${serverKey}`;
}
