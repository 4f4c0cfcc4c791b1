import { z } from "zod";
import { vaultEntries } from "../../core/topology.ts";
import type { DeployedStack } from "../cli/pulumi.ts";
import { messageOf } from "../observe/container.ts";
import { ask } from "../observe/server.ts";

const progressSchema = z.object({
  reencrypted: z.number(),
  remaining: z.number(),
  // A server of the version before fails instead.
  damaged: z.array(z.object({ id: z.string(), problem: z.string() })).default([]),
});

/** How often nothing may be left to do for one request although something remains: it is being changed just then. */
const patience = 100;

/**
 * Encrypts everything again that an older key has encrypted, in parts, while requests go on.
 *
 * @returns how much it was
 * @throws Error naming the secrets that cannot be opened, once all others are encrypted again
 */
export async function encryptAgain(stack: DeployedStack, tell: (text: string) => void): Promise<number> {
  let total = 0;
  let idle = 0;
  while (true) {
    const { reencrypted, remaining, damaged } = await encryptPart(stack);
    total += reencrypted;
    if (remaining === 0) break;
    tell(`encrypted again: ${total}, ${remaining} remain`);
    if (reencrypted === 0 && damaged.length > 0) throw new Error(damagedText(total, remaining, damaged));
    idle = reencrypted === 0 ? idle + 1 : 0;
    if (idle >= patience)
      throw new Error(
        `${remaining} secrets are still encrypted with an older key. The same command tries again.`,
      );
  }
  tell(`encrypted again: ${total}, none remain`);
  return total;
}

function damagedText(total: number, remaining: number, damaged: readonly { readonly id: string }[]): string {
  const ids = damaged.map(({ id }) => id).join(", ");
  return `${total} secrets were encrypted again, ${remaining} are still encrypted with an older key, of which these cannot be opened: ${ids}. The older key stays. Replace the secret of each (POST /api/resources/ID/rotate) or delete it, then the same command goes on.`;
}

/** Asked of the gateway; of a server itself where the gateway leads to one's own application, which must not see the token. */
async function encryptPart({
  topology,
  access,
  adminToken,
}: DeployedStack): Promise<z.infer<typeof progressSchema>> {
  const failures: string[] = [];
  for (const entry of vaultEntries(topology)) {
    try {
      const { status, body } = await ask(entry, access.caCertificate, "/api/keys/re-encrypt", {
        method: "POST",
        headers: { authorization: `Bearer ${adminToken}` },
        timeoutSeconds: 30,
      });
      if (status === 200) return progressSchema.parse(JSON.parse(body));
      failures.push(`${entry.node} answered ${status}: ${body.slice(0, 200)}`);
    } catch (error) {
      failures.push(`${entry.node} did not answer (${messageOf(error)})`);
    }
  }
  throw new Error(`re-encryption: ${failures.join("; ")}. The same command tries again.`);
}
