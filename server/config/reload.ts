import type { Configuration } from "./load.ts";

/** The key that seals now may become an older one, but it must still open what it has sealed. */
function keepsSealingKey(current: Configuration, next: Configuration): boolean {
  const [sealing] = current.secrets.encryptionKeys;
  return next.secrets.encryptionKeys.some((key) => sealing?.equals(key));
}

/** The entries that differ and that a running server cannot take over. */
export function needsRestart(current: Configuration, next: Configuration): readonly string[] {
  const { listen, server, stateDirectory } = current.config;
  return [
    ...(next.config.server.id === server.id ? [] : ["server.id"]),
    ...(next.config.listen.address === listen.address ? [] : ["listen.address"]),
    ...(next.config.listen.port === listen.port ? [] : ["listen.port"]),
    ...(String(next.config.listen.trustedProxies) === String(listen.trustedProxies)
      ? []
      : ["listen.trustedProxies"]),
    ...(next.config.stateDirectory === stateDirectory ? [] : ["stateDirectory"]),
    ...(keepsSealingKey(current, next) ? [] : ["encryptionKeyFile (the key that seals now is missing)"]),
  ];
}
