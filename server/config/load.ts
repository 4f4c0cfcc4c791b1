import { readFile } from "node:fs/promises";
import {
  alertSettingsSchema,
  defaultAlerts,
  type ReadonlyAlertSettings,
} from "../../core/alerts/settings.ts";
import { type ServerConfig, serverConfigSchema } from "../../core/serverConfig.ts";
import { decodeKeys } from "../crypto/keys.ts";
import { ConfigurationError } from "./error.ts";

/** The configuration together with the content of every file that it names. */
export interface Configuration {
  readonly config: ServerConfig;
  readonly alerts: ReadonlyAlertSettings;
  readonly secrets: {
    readonly certificate: string;
    readonly certificateKey: string;
    readonly ca: string;
    /** The one in use first; another one is coming, or was in use before. */
    readonly applicationPasswords: readonly string[];
    readonly migrationPasswords: readonly string[];
    /** 32 bytes each. The first seals; the others are older or coming ones, and only open. */
    readonly encryptionKeys: readonly Buffer[];
    /** SHA-256 of each token of the administrator that is accepted: 32 bytes. */
    readonly adminTokenHashes: readonly Buffer[];
  };
}

/**
 * Reads and validates `server.json` and the files that it names.
 *
 * @throws ConfigurationError naming every entry that is wrong and what to do, never a secret's content.
 */
export async function loadConfiguration(path: string): Promise<Configuration> {
  const config = parseConfiguration(path, await readText(path, path));
  const issues: string[] = [];
  const unreadable: (readonly [place: number, issue: string])[] = [];
  let files = 0;
  const read = async (name: string, file: string): Promise<string> => {
    const place = files++;
    try {
      return await readText(path, file);
    } catch (error) {
      unreadable.push([place, `${name}: ${error instanceof Error ? error.message : String(error)}`]);
      return "";
    }
  };
  const [
    certificate,
    certificateKey,
    ca,
    applicationPassword,
    migrationPassword,
    key,
    tokenHash,
    alertsText,
  ] = await Promise.all([
    read("listen.certificateFile", config.listen.certificateFile),
    read("listen.keyFile", config.listen.keyFile),
    read("postgres.caFile", config.postgres.caFile),
    read("postgres.application.passwordFile", config.postgres.application.passwordFile),
    read("postgres.migration.passwordFile", config.postgres.migration.passwordFile),
    read("encryptionKeyFile", config.encryptionKeyFile),
    read("adminTokenHashFile", config.adminTokenHashFile),
    config.alertsFile === undefined ? null : read("alertsFile", config.alertsFile),
  ]);
  if (unreadable.length > 0) {
    const inOrder = unreadable.sort(([a], [b]) => a - b).map(([, issue]) => issue);
    throw new ConfigurationError(path, inOrder);
  }

  const encryptionKeys = decodeKeys(key);
  if (encryptionKeys === null) {
    issues.push(`encryptionKeyFile: ${config.encryptionKeyFile} is not 32 bytes in base64, one key a line`);
  }
  const hashes = linesOf(tokenHash).map((line) => line.trim());
  if (hashes.length === 0 || !hashes.every((hash) => /^[0-9a-f]{64}$/i.test(hash))) {
    issues.push(
      `adminTokenHashFile: ${config.adminTokenHashFile} is not a SHA-256 in hex (64 digits), one a line`,
    );
  }
  for (const [name, text] of [
    ["postgres.application.passwordFile", applicationPassword],
    ["postgres.migration.passwordFile", migrationPassword],
  ] as const) {
    if (text.trim() === "") issues.push(`${name}: the file is empty`);
  }
  const alerts = parseAlerts(alertsText);
  if (typeof alerts === "string") issues.push(`alertsFile: ${alerts}`);
  if (issues.length > 0 || typeof alerts === "string" || encryptionKeys === null)
    throw new ConfigurationError(path, issues);

  return {
    config,
    alerts,
    secrets: {
      certificate,
      certificateKey,
      ca,
      applicationPasswords: linesOf(applicationPassword),
      migrationPasswords: linesOf(migrationPassword),
      encryptionKeys,
      adminTokenHashes: hashes.map((hash) => Buffer.from(hash, "hex")),
    },
  };
}

/** The settings, or what is wrong with them; never a value, which may be a secret. */
function parseAlerts(text: string | null): ReadonlyAlertSettings | string {
  if (text === null) return defaultAlerts;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return "the file is not JSON";
  }
  const result = alertSettingsSchema.safeParse(json);
  if (result.success) return result.data;
  return result.error.issues.map(({ path }) => `${path.join(".") || "(root)"} is wrong`).join("; ");
}

/**
 * Validates the text of `server.json`.
 *
 * @throws ConfigurationError with one line per wrong entry.
 */
export function parseConfiguration(path: string, text: string): ServerConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ConfigurationError(path, [
      `not JSON: ${error instanceof Error ? error.message : String(error)}`,
    ]);
  }
  const result = serverConfigSchema.safeParse(json);
  if (!result.success) {
    throw new ConfigurationError(
      path,
      result.error.issues.map((issue) => `${issue.path.join(".") || "(root)"}: ${issue.message}`),
    );
  }
  const names = result.data.databases.map((database) => database.name);
  if (new Set(names).size !== names.length) {
    throw new ConfigurationError(path, [`databases: a name occurs twice in ${names.join(", ")}`]);
  }
  return result.data;
}

async function readText(path: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new ConfigurationError(path, [`${file} cannot be read (${code})`]);
  }
}

/** One secret a line. */
function linesOf(text: string): readonly string[] {
  return text.split(/\r?\n/).filter((line) => line !== "");
}
