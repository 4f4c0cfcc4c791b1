import { gatewayToken } from "../core/gatewayToken.ts";
import { Generator } from "./accounts/generated.ts";
import { Sessions } from "./accounts/sessions.ts";
import { Cipher } from "./crypto/cipher.ts";
import { RequestHasher } from "./writes/idempotency.ts";

/** Everything that works with the key file. */
export interface Keyed {
  readonly cipher: Cipher;
  readonly hasher: RequestHasher;
  readonly sessions: Sessions;
  readonly generator: Generator;
  /** By which this stack's gateway is known. */
  readonly gatewayTokens: readonly string[];
}

/** @param keys the content of the key file, the current key first. */
export function keyed(keys: readonly Buffer[]): Keyed {
  const [current, ...others] = keys;
  if (current === undefined) throw new Error("the key file holds no key");
  return {
    cipher: new Cipher(current, ...others),
    hasher: new RequestHasher(current, ...others),
    sessions: new Sessions([current, ...others]),
    generator: new Generator(current),
    gatewayTokens: keys.map(gatewayToken),
  };
}
