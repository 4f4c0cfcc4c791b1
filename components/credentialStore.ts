import * as pulumi from "@pulumi/pulumi";
import type { Credentials, KeyPair } from "../core/credentials.ts";
import { createAuthority, issueCertificate, randomSecret } from "../core/pki.ts";
import { allNodes, type Topology } from "../core/topology.ts";
import { type DatabaseRole, databaseRoles } from "../core/vocabulary.ts";

/**
 * Every secret of a stack: certificate authority, one certificate a node, passwords, encryption key, administrator's
 * token. Each is made once and kept, encrypted, in the state (Pulumi's Stash: the first value stays until the
 * resource is replaced). A node's certificate is issued again when its names change.
 */
export class CredentialStore extends pulumi.ComponentResource {
  /** All credentials but the certificates of the nodes; secret. */
  readonly all: pulumi.Output<Credentials>;
  readonly #certificates: ReadonlyMap<string, pulumi.Output<KeyPair>>;

  constructor(name: string, args: { readonly topology: Topology }, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:CredentialStore", name, {}, opts);
    const { topology } = args;

    const authority = this.#keep<KeyPair>(`${name}-authority`, createAuthority(topology.stack));
    const logins = forEachRole((role) =>
      this.#keep(`${name}-login-${role}`, { password: randomSecret(), salt: toBase64(randomSecret(), 16) }),
    );
    const encryptionKey = this.#keep(`${name}-encryption-key`, toBase64(randomSecret(), 32));
    const adminToken = this.#keep(`${name}-admin-token`, randomSecret());

    this.#certificates = new Map(
      allNodes(topology).map(({ node, certificateNames }) => {
        const names = [...certificateNames];
        const issued = authority.apply((pair) => issueCertificate(pair, names));
        return [node, this.#keep<KeyPair>(`${name}-certificate-${node}`, issued, names.join(","))];
      }),
    );
    this.all = pulumi.secret(
      pulumi.output({
        authority,
        passwords: forEachRole((role) => logins[role].apply(({ password }) => password)),
        salts: forEachRole((role) => logins[role].apply(({ salt }) => salt)),
        encryptionKey,
        adminToken,
      }),
    );
    this.registerOutputs({});
  }

  /** The certificate of a node of the topology; secret. */
  certificate(node: string): pulumi.Output<KeyPair> {
    const certificate = this.#certificates.get(node);
    if (!certificate) throw new Error(`there is no certificate for a node named ${node}`);
    return certificate;
  }

  /** A value that is made on the first run and never again, unless `renewWhen` changes. */
  #keep<T>(name: string, value: pulumi.Input<T>, renewWhen?: string): pulumi.Output<T> {
    const stash = new pulumi.Stash(
      name,
      { input: pulumi.secret(value) },
      {
        parent: this,
        ignoreChanges: ["input"],
        // What cannot be made again from something else is protected: without the key the data is lost.
        ...(renewWhen === undefined ? { protect: true } : { replacementTrigger: renewWhen }),
      },
    );
    return pulumi.secret(stash.output) as pulumi.Output<T>;
  }
}

function forEachRole<T>(make: (role: DatabaseRole) => T): Record<DatabaseRole, T> {
  return Object.fromEntries(databaseRoles.map((role) => [role, make(role)])) as Record<DatabaseRole, T>;
}

function toBase64(base64url: string, bytes: number): string {
  return Buffer.from(base64url, "base64url").subarray(0, bytes).toString("base64");
}
