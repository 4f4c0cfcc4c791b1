import type { KeyPair } from "../../core/credentials.ts";
import type { Deployment } from "./deployment.ts";

/** What the stack keeps, secrets in plain text: each by its logical name. */
async function keptBy(deployment: Deployment): Promise<readonly { name: string; output: unknown }[]> {
  const { stdout } = await deployment.pulumi(["stack", "export", "--show-secrets"]);
  const { resources } = JSON.parse(stdout).deployment as {
    resources: { type: string; urn: string; outputs?: { output?: unknown } }[];
  };
  return resources
    .filter(({ type }) => type === "pulumi:index:Stash")
    .map(({ urn, outputs }) => ({ name: urn.split("::").at(-1) ?? "", output: outputs?.output }));
}

/** The authority that signs the certificates of the stack's nodes now. */
export async function authorityOf(deployment: Deployment): Promise<KeyPair> {
  const { access } = await deployment.deployed();
  for (const { name, output } of await keptBy(deployment)) {
    if (!name.startsWith("credentials-authority")) continue;
    const authority = JSON.parse((output as { plaintext: string }).plaintext) as KeyPair;
    if (access.caCertificate.startsWith(authority.certificate.trim())) return authority;
  }
  throw new Error(`the state of ${deployment.stack} holds no authority that its outputs name`);
}

/** Every secret of the stack by a name that can be shown. Of keys in PEM a line of their body. */
export async function secretsOf(deployment: Deployment): Promise<ReadonlyMap<string, string>> {
  const secrets = new Map<string, string>();
  const collect = (name: string, value: unknown): void => {
    if (typeof value === "string") {
      // The plain text of a secret output is JSON.
      const pem = /-----BEGIN PRIVATE KEY-----\\?n?\s*([A-Za-z0-9+/]{40,})/.exec(value);
      if (value.startsWith("{") || value.startsWith('"')) collect(name, JSON.parse(value));
      else if (pem?.[1]) secrets.set(name, pem[1]);
      else if (!value.includes("CERTIFICATE") && !name.endsWith(".salt")) secrets.set(name, value);
    } else if (typeof value === "object" && value !== null) {
      // A secret output is an object: its plain text beside a mark.
      if ("plaintext" in value) collect(name, value.plaintext);
      else for (const [key, inner] of Object.entries(value)) collect(`${name}.${key}`, inner);
    }
  };
  // Whichever generation it is: the stack may have seen a rotation.
  for (const { name, output } of await keptBy(deployment)) collect(name.replace(/-\d+$/, ""), output);
  return secrets;
}

/** The names of those secrets that a text shows. */
export function namesIn(text: string, secrets: ReadonlyMap<string, string>): readonly string[] {
  return [...secrets].filter(([, secret]) => text.includes(secret)).map(([name]) => name);
}
