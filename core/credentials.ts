import type { DatabaseRole } from "./vocabulary.ts";

/** A certificate, followed by those that lead from it to an authority where there are any, and its private key; PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** One or more of a kind; the first is the one in use, the others are accepted beside it while it is replaced. */
export type Accepted<T> = readonly [T, ...T[]];

/** A role's password; where it is being replaced, all that may be the right one, the likeliest first. */
export type Password = string | readonly string[];

/** Every secret of a stack that its nodes are configured with, generated once and kept encrypted in the state. */
export interface Credentials {
  /** Certificates of the authorities that are trusted, PEM: the one in use, then others that are accepted beside it. */
  readonly caCertificate: string;
  readonly passwords: Readonly<Record<DatabaseRole, Accepted<string>>>;
  /** Salts for the SCRAM verifiers of the passwords in use, base64: fixed, so that the same password renders the same file. */
  readonly salts: Readonly<Record<DatabaseRole, string>>;
  /** 32 bytes each, base64. */
  readonly encryptionKeys: Accepted<string>;
  /** Tokens of the administrator: the one in use, then another that is accepted beside it. */
  readonly adminTokens: Accepted<string>;
  /** 32 bytes, base64: what the secrets of one's own application are derived from. */
  readonly applicationSeed: string;
}
