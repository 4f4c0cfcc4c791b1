import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parse } from "yaml";

/**
 * A stack's config without its encryption salt, where that can be left out: Pulumi writes the salt beside the config,
 * for the passphrase that it was made with. Where there is no such passphrase any more (the file came from another
 * clone) Pulumi would refuse to make the stack, and where nothing in the file is encrypted nothing is lost.
 *
 * @returns the text without the line; undefined where there is none, or where values are encrypted with it
 */
export function withoutSalt(text: string): string | undefined {
  const { encryptionsalt, config } = (parse(text) ?? {}) as { encryptionsalt?: unknown; config?: unknown };
  if (encryptionsalt === undefined || hasSecret(config)) return undefined;
  return text.replace(/^encryptionsalt:.*\n?/m, "");
}

/** Takes the salt of another clone out of a stack's config file. @returns whether there was one */
export function removeForeignSalt(file: string): boolean {
  const text = existsSync(file) ? withoutSalt(readFileSync(file, "utf8")) : undefined;
  if (text === undefined) return false;
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
  return true;
}

function hasSecret(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return "secure" in value || Object.values(value).some(hasSecret);
}
