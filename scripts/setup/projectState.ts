import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { hasCode, SetupError } from "./errors.ts";
import { removeForeignSalt } from "./foreignSalt.ts";
import type { Part } from "./part.ts";
import { backendFolder, devConfigFile, passphraseFile, stateFolder } from "./paths.ts";

/** Whether the caller has a passphrase of their own for Pulumi's secrets. */
export function hasOwnPassphrase(environment: NodeJS.ProcessEnv): boolean {
  return (
    environment.PULUMI_CONFIG_PASSPHRASE !== undefined ||
    environment.PULUMI_CONFIG_PASSPHRASE_FILE !== undefined
  );
}

/** The project's ignored folder: Pulumi's file backend, the passphrase of its secrets, logs. */
export const projectState: Part = {
  name: "project state",
  wanted: "passphrase, backend",
  after: [],
  async probe(context) {
    const remedy = 'run "npm run setup"';
    if (!existsSync(backendFolder)) return { isReady: false, where: stateFolder, remedy };
    if (!existsSync(passphraseFile)) {
      return hasOwnPassphrase(context.env)
        ? { isReady: true, found: "own passphrase", where: stateFolder }
        : { isReady: false, found: "no passphrase", where: stateFolder, remedy };
    }
    const isPrivate = ((statSync(stateFolder).mode | statSync(passphraseFile).mode) & 0o077) === 0;
    return isPrivate
      ? { isReady: true, found: "ready", where: stateFolder }
      : { isReady: false, found: "readable by others", where: stateFolder, remedy };
  },
  async provide(context) {
    mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
    chmodSync(stateFolder, 0o700);
    mkdirSync(backendFolder, { recursive: true, mode: 0o700 });
    if (!existsSync(passphraseFile) && !hasOwnPassphrase(context.env)) {
      if (hasStacks()) {
        throw new SetupError(
          this.name,
          `${passphraseFile} is missing, but there are stacks whose secrets were encrypted with it`,
          "Put the file back, or set PULUMI_CONFIG_PASSPHRASE_FILE; a new passphrase could not open them",
        );
      }
      // First, so that an interrupted set-up does it again.
      if (removeForeignSalt(devConfigFile))
        context.log.write(`${devConfigFile}: the encryption salt of another clone was taken out`);
      createPassphrase(passphraseFile);
    }
    if (existsSync(passphraseFile)) chmodSync(passphraseFile, 0o600);
  },
};

/** Makes a random passphrase. The file appears complete or not at all, and one that is there is never replaced. */
export function createPassphrase(file: string): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, randomBytes(24).toString("base64url"), { mode: 0o600 });
  try {
    linkSync(temporary, file);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function hasStacks(): boolean {
  const folder = join(backendFolder, ".pulumi", "stacks");
  return (
    existsSync(folder) &&
    readdirSync(folder, { recursive: true }).some((name) => String(name).endsWith(".json"))
  );
}
