import * as pulumi from "@pulumi/pulumi";
import { backupRole } from "../core/backups/statements.ts";
import type { Accepted, Credentials, KeyPair } from "../core/credentials.ts";
import { createAuthority, crossSign, issueCertificate, randomSecret } from "../core/pki.ts";
import type { Generations } from "../core/rotation.ts";
import type { Settings } from "../core/settings.ts";
import { allNodes, type Topology } from "../core/topology.ts";
import { type DatabaseRole, databaseRoles } from "../core/vocabulary.ts";
import { checkCredentialOrder } from "./credentialChecks.ts";

/** What the secrets of a stack are made for. */
export interface CredentialStoreArgs {
  readonly topology: Topology;
  readonly settings: Settings;
}

/** An authority, and the certificate by which it is accepted where only the one before it is trusted. */
interface Authority extends KeyPair {
  readonly followed?: string;
}

interface Login {
  readonly password: string;
  readonly salt: string;
}

/**
 * Every secret of a stack: certificate authority, one certificate a node, passwords, encryption key, administrator's
 * token, seed of the secrets of one's own application. Each is made once and kept, encrypted, in the state (Pulumi's Stash: the first value stays until the
 * resource is replaced). A node's certificate is issued again when its names change.
 *
 * Passwords, certificates, the key and the token have generations, which the config counts: another number is another resource,
 * and so another secret. Two of them stand side by side while `npm run rotate` replaces one by the other.
 */
export class CredentialStore extends pulumi.ComponentResource {
  /** All credentials but the certificates of the nodes; secret. */
  readonly all: pulumi.Output<Credentials>;
  /** Of the role that makes backups, where the stack makes any; secret. */
  readonly backup: pulumi.Output<Login | undefined>;
  readonly #order: pulumi.Resource;
  readonly #certificates: ReadonlyMap<string, pulumi.Output<KeyPair>>;

  constructor(name: string, args: CredentialStoreArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:CredentialStore", name, {}, opts);
    const { topology, settings } = args;
    const { passwords, certificates, key, token } = settings.credentials;

    this.#order = checkCredentialOrder(settings, this);
    const authorities = this.#authorities(name, topology.stack, certificates);
    const logins = forEachRole((role) =>
      together(
        forEachGeneration(passwords, (generation) =>
          this.#keep<Login>(`${name}-login-${role}${suffix(generation)}`, newLogin(), {
            protect: generation === passwords[0],
          }),
        ),
      ),
    );
    this.backup = topology.backup ? this.#backupLogin(name, passwords) : pulumi.output(undefined);
    const encryptionKeys = this.#encryptionKeys(name, key);
    const adminTokens = together(
      forEachGeneration(token, (generation) =>
        this.#keep(`${name}-admin-token${suffix(generation)}`, randomSecret(), {
          protect: generation === token[0],
        }),
      ),
    );
    const applicationSeed = this.#keep(`${name}-application-seed`, toBase64(randomSecret(), 32), {
      protect: true,
    });

    this.#certificates = new Map(
      allNodes(topology).map(({ node, certificateNames }) => {
        const names = [...certificateNames];
        const issued = authorities[0].apply(async (authority) => {
          const pair = await issueCertificate(authority, names);
          return { ...pair, certificate: `${pair.certificate}${authority.followed ?? ""}` };
        });
        // Made again from the authority, so that it needs no protection.
        const renewWhen = `${names.join(",")}${certificates[0] === 1 ? "" : `#${certificates[0]}`}`;
        return [
          node,
          this.#keep<KeyPair>(`${name}-certificate-${node}`, issued, { replacementTrigger: renewWhen }),
        ];
      }),
    );
    this.all = pulumi.secret(
      pulumi.output({
        caCertificate: together(authorities).apply((trusted) =>
          trusted.map(({ certificate }) => certificate).join(""),
        ),
        passwords: forEachRole((role) =>
          logins[role].apply((all) => accepted(all.map(({ password }) => password))),
        ),
        salts: forEachRole((role) => logins[role].apply(([inUse]) => inUse.salt)),
        encryptionKeys: together(encryptionKeys),
        adminTokens,
        applicationSeed,
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

  /** The one in use. It leaves the stack with the backups, and so is not protected: the next one does as well. */
  #backupLogin(name: string, generations: Generations): pulumi.Output<Login> {
    return forEachGeneration(generations, (generation) =>
      this.#keep<Login>(`${name}-login-${backupRole}${suffix(generation)}`, newLogin(), {}),
    )[0];
  }

  /** Keys that are accepted no more stay in the state: what is read from an old backup is encrypted with one of them. */
  #encryptionKeys(name: string, generations: Generations): Accepted<pulumi.Output<string>> {
    const all = Array.from({ length: Math.max(...generations) }, (_, index) =>
      this.#keep(`${name}-encryption-key${suffix(index + 1)}`, toBase64(randomSecret(), 32), {
        // One that is only announced has encrypted nothing yet.
        protect: index + 1 <= generations[0],
      }),
    );
    return accepted(generations.flatMap((generation) => all[generation - 1] ?? []));
  }

  /** A new authority is signed by the one that it stands beside when it is made, too. */
  #authorities(name: string, stack: string, generations: Generations): Accepted<pulumi.Output<Authority>> {
    const oldest = Math.min(...generations);
    const keep = (generation: number, value: pulumi.Input<Authority>) =>
      this.#keep<Authority>(`${name}-authority${suffix(generation)}`, value, {
        protect: generation === generations[0],
      });
    const first = keep(oldest, createAuthority(stack));
    return forEachGeneration(generations, (generation) => {
      if (generation === oldest) return first;
      const made = first.apply(async (former) => {
        const authority = await createAuthority(stack);
        return { ...authority, followed: await crossSign(former, authority) };
      });
      return keep(generation, made);
    });
  }

  /** A value that is made on the first run and never again. What is in use and cannot be made again is protected. */
  #keep<T>(
    name: string,
    value: pulumi.Input<T>,
    options: Pick<pulumi.CustomResourceOptions, "protect" | "replacementTrigger">,
  ): pulumi.Output<T> {
    const stash = new pulumi.Stash(
      name,
      { input: pulumi.secret(value) },
      { parent: this, ignoreChanges: ["input"], dependsOn: [this.#order], ...options },
    );
    return pulumi.secret(stash.output) as pulumi.Output<T>;
  }
}

function newLogin(): Login {
  return { password: randomSecret(), salt: toBase64(randomSecret(), 16) };
}

/** The first generation has the plain name. */
function suffix(generation: number): string {
  return generation === 1 ? "" : `-${generation}`;
}

function forEachGeneration<T>(generations: Generations, make: (generation: number) => T): Accepted<T> {
  return accepted(generations.map(make));
}

function together<T>(outputs: Accepted<pulumi.Output<T>>): pulumi.Output<Accepted<T>> {
  return pulumi.all([...outputs]).apply((values) => accepted(values as T[])) as pulumi.Output<Accepted<T>>;
}

function accepted<T>(values: readonly T[]): Accepted<T> {
  const [first, ...others] = values;
  if (first === undefined) throw new Error("a credential without a generation: parseSettings refuses it");
  return [first, ...others];
}

function forEachRole<T>(make: (role: DatabaseRole) => T): Record<DatabaseRole, T> {
  return Object.fromEntries(databaseRoles.map((role) => [role, make(role)])) as Record<DatabaseRole, T>;
}

function toBase64(base64url: string, bytes: number): string {
  return Buffer.from(base64url, "base64url").subarray(0, bytes).toString("base64");
}
