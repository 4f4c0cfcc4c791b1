import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import type { DeployedStack } from "../../scripts/cli/pulumi.ts";
import { encryptAgain } from "../../scripts/rotate/encryptAgain.ts";
import { topologyOf } from "../support/fixtures.ts";
import { createAuthority } from "../support/serverPki.ts";

interface Part {
  readonly reencrypted: number;
  readonly remaining: number;
  readonly damaged?: readonly { readonly id: string; readonly problem: string }[];
}

let gateway: Server | undefined;
afterEach(() => gateway?.close());

/** A stack whose gateway answers these, one after the other. */
async function stackThatAnswers(parts: Part[]): Promise<DeployedStack> {
  const { ca, issue } = await createAuthority();
  const { certificate: cert, key } = await issue("gateway");
  const server = createServer({ cert, key }, (_, response) => response.end(JSON.stringify(parts.shift())));
  gateway = server;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const topology = topologyOf();
  const published = { ...topology.gateway.published, address: "127.0.0.1", port };
  return {
    topology: { ...topology, gateway: { ...topology.gateway, published } },
    access: { caCertificate: ca, monitoringPassword: "" },
    adminToken: "token",
  } as unknown as DeployedStack;
}

it("encrypts all, in parts", async () => {
  const said: string[] = [];
  const stack = await stackThatAnswers([
    { reencrypted: 500, remaining: 7 },
    { reencrypted: 7, remaining: 0 },
  ]);
  expect(await encryptAgain(stack, (text) => said.push(text))).toBe(507);
  expect(said).toEqual(["encrypted again: 500, 7 remain", "encrypted again: 507, none remain"]);
});

it("goes on past damaged secrets, then fails with their ids and keeps the older key", async () => {
  const damaged = [{ id: "0b8d0c1e", problem: "altered" }];
  const parts = [
    { reencrypted: 500, remaining: 8, damaged },
    { reencrypted: 7, remaining: 1, damaged },
    { reencrypted: 0, remaining: 1, damaged },
  ];
  const stack = await stackThatAnswers(parts);
  await expect(encryptAgain(stack, () => undefined)).rejects.toThrow(
    /^507 secrets were encrypted again, 1 are still .* cannot be opened: 0b8d0c1e\. The older key stays\./,
  );
  expect(parts).toEqual([]);
});
