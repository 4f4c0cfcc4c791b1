import type { DatabaseRole } from "./vocabulary.ts";

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** Every secret of a stack, generated once and kept encrypted in the state. */
export interface Credentials {
  readonly authority: KeyPair;
  readonly passwords: Readonly<Record<DatabaseRole, string>>;
  /** Salts for the SCRAM verifiers, base64: fixed, so that the same password renders the same file. */
  readonly salts: Readonly<Record<DatabaseRole, string>>;
  /** 32 bytes, base64. */
  readonly encryptionKey: string;
  readonly adminToken: string;
}
