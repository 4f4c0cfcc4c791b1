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
  };
}
