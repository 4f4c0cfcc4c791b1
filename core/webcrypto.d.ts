import type { webcrypto } from "node:crypto";

// @peculiar/x509 speaks of the browser's global types; Node.js has the same ones under another name.
declare global {
  type Crypto = webcrypto.Crypto;
  type CryptoKey = webcrypto.CryptoKey;
  type CryptoKeyPair = webcrypto.CryptoKeyPair;
  type Algorithm = webcrypto.Algorithm;
}
