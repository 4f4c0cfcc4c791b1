import { z } from "zod";
import type { Rotatable } from "../../core/rotation.ts";
import { ownNodes } from "../../core/topology.ts";
import type { DeployedStack } from "../cli/pulumi.ts";
import { observeCertificate } from "../observe/certificate.ts";
import { messageOf } from "../observe/container.ts";
import { connectDatabase, isRefusedPassword } from "../observe/postgres.ts";
import { ask } from "../observe/server.ts";
import type { Check } from "../verifyDeployment.ts";

/** Tries the old credentials, which must not work any more, and looks that the new ones are used everywhere. */
export async function proveRotations(
  kinds: readonly Rotatable[],
  before: DeployedStack,
  after: DeployedStack,
): Promise<readonly Check[]> {
  return (await Promise.all(kinds.map((kind) => proveRotation(kind, before, after)))).flat();
}

function proveRotation(
  kind: Rotatable,
  before: DeployedStack,
  after: DeployedStack,
): Promise<readonly Check[]> {
  switch (kind) {
    case "passwords":
      return provePasswords(before, after);
    case "certificates":
      return proveCertificates(before, after);
    case "key":
      return proveKey(after);
    case "token":
      return proveToken(before, after);
  }
}

/** Asked of each server itself: whether it still takes a token of before for the administrator's. */
async function proveToken(before: DeployedStack, after: DeployedStack): Promise<readonly Check[]> {
  const { topology, access } = after;
  const old = before.adminTokens.filter((token) => !after.adminTokens.includes(token));
  const attempts = topology.servers.flatMap((server) => old.map((token) => ({ server, token })));
  return Promise.all(
    attempts.map(async ({ server, token }) => {
      const what = `an old token at the ${server.name} server`;
      try {
        const headers = { authorization: `Bearer ${token}` };
        const { status } = await ask(server, access.caCertificate, "/api/keys", { headers });
        return {
          what,
          ok: status === 401,
          detail: status === 401 ? "is refused" : `is answered with ${status}`,
        };
      } catch (error) {
        return { what, ok: false, detail: messageOf(error) };
      }
    }),
  );
}

/** The passwords that were known before and are not now. */
async function provePasswords(before: DeployedStack, after: DeployedStack): Promise<readonly Check[]> {
  const logins = [
    ["monitoring", before.access.monitoringPassword, after.access.monitoringPassword] as const,
    ["operator", before.operatorPassword, after.operatorPassword] as const,
  ];
  const attempts = logins.flatMap(([user, then, now]) =>
    [then]
      .flat()
      .flatMap((password) =>
        [now].flat().includes(password)
          ? []
          : after.topology.databases.map((node) => ({ user, password, node })),
      ),
  );
  return Promise.all(
    attempts.map(async ({ user, password, node }) => {
      const what = `an old password of ${user} at the ${node.name} database`;
      try {
        const client = await connectDatabase(node, { ca: after.access.caCertificate, user, password });
        await client.end();
        return { what, ok: false, detail: "is still accepted" };
      } catch (error) {
        return { what, ok: isRefusedPassword(error), detail: messageOf(error) };
      }
    }),
  );
}

/** Only the new authority is trusted now: what a node presents must have been signed by it. */
async function proveCertificates(
  before: DeployedStack,
  { topology, access }: DeployedStack,
): Promise<readonly Check[]> {
  const nodes = await Promise.all(
    ownNodes(topology).map(async (node) => {
      const what = `the certificate of ${node.node}`;
      const seen = await observeCertificate(node, access.caCertificate);
      if (!seen.known) return { what, ok: false, detail: seen.reason };
      const { problem, expiresAt } = seen.value;
      return {
        what,
        ok: problem === null,
        detail: problem ?? `by the new authority, valid until ${expiresAt}`,
      };
    }),
  );
  const trusted = certificatesIn(access.caCertificate);
  // One that goes on where it was interrupted began with both.
  const old = certificatesIn(before.access.caCertificate).filter((one) => !trusted.includes(one));
  const isDropped = trusted.length === 1 && old.length > 0;
  const detail = isDropped ? "not trusted any more" : "is still trusted";
  return [...nodes, { what: "the old authority", ok: isDropped, detail }];
}

function certificatesIn(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

const keysSchema = z.object({
  current: z.string(),
  keys: z.array(z.object({ fingerprint: z.string(), resources: z.number(), held: z.boolean() })),
});

/** Asked of each server itself: which keys it holds, and what the others still encrypt. */
async function proveKey({ topology, access, adminToken }: DeployedStack): Promise<readonly Check[]> {
  return Promise.all(
    topology.servers.map(async (server) => {
      const what = `the key of the ${server.name} server`;
      try {
        const headers = { authorization: `Bearer ${adminToken}` };
        const { status, body } = await ask(server, access.caCertificate, "/api/keys", { headers });
        if (status !== 200) return { what, ok: false, detail: `answered ${status}: ${body.slice(0, 200)}` };
        const { current, keys } = keysSchema.parse(JSON.parse(body));
        const others = keys.filter(({ fingerprint }) => fingerprint !== current);
        const held = others.filter((key) => key.held);
        const used = others.reduce((sum, { resources }) => sum + resources, 0);
        const detail = `${current}; of older ones ${held.length} are held, ${used} secrets are encrypted with them`;
        return { what, ok: held.length === 0 && used === 0, detail };
      } catch (error) {
        return { what, ok: false, detail: messageOf(error) };
      }
    }),
  );
}
