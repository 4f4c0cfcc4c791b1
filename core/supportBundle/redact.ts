import { formsOf } from "./secretForms.ts";

/** Stands where a secret stood. */
export const removed = "[removed]";

/** A known secret, or a line of one, that is shorter counts as none: it would be found in every text. */
const shortest = { secret: 4, line: 16 } as const;

/** Names of secrets, with what may stand before them; bounded, so that a long text takes no long time. */
const name = String.raw`[\w-]{0,40}(?:password|passwd|passphrase|secret|token|authorization|cookie|private_?key|api_?key)`;

/** What looks like a secret whoever's it is, and what stays of it. */
const patterns: readonly (readonly [pattern: RegExp, stays: string])[] = [
  [/-----BEGIN ([A-Z ]{0,40})PRIVATE KEY-----[\s\S]*?(?:-----END \1PRIVATE KEY-----|$)/g, removed],
  [/SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+/g, removed],
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@"'\\]*:)[^\s@/"'\\]+@/gi, `$1${removed}@`],
  [/\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}/gi, `$1${removed}`],
  // PGPASSWORD=…, ?access_token=…
  [new RegExp(String.raw`\b(${name})=(?:'[^']*'|[^\s'"&,;\\]+)`, "gi"), `$1=${removed}`],
  [new RegExp(String.raw`("${name}"\s*:\s*)"(?:[^"\\]|\\.)*"`, "gi"), `$1"${removed}"`],
  // The same in JSON that stands in JSON.
  [new RegExp(String.raw`(\\"${name}\\"\s*:\s*\\")(?:[^"\\]|\\\\.)*`, "gi"), `$1${removed}`],
];

/** Takes secrets out of a text. */
export type Redact = (text: string) => string;

/**
 * Makes the function that takes secrets out of texts: the known ones in every form (`formsOf`), and whatever looks like
 * one. A key in PEM counts line by line, as it is quoted in errors. Pure.
 */
export function redactor(secrets: Iterable<string>): Redact {
  const known = [...secrets].flatMap((secret) => [
    ...(secret.length >= shortest.secret ? [secret] : []),
    ...secret.split(/\r?\n/).filter((line) => line.length >= shortest.line && !line.startsWith("-----")),
  ]);
  const forms = [...new Set(known.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  return (text) => {
    let rest = text;
    for (const form of forms) if (rest.includes(form)) rest = rest.replaceAll(form, removed);
    for (const [pattern, stays] of patterns) rest = rest.replace(pattern, stays);
    return rest;
  };
}

/** A copy without the values of environments: what somebody gives an application is its own matter. */
export function withoutEnvironments(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEnvironments);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      name === "environment" && typeof inner === "object" && inner !== null
        ? Object.fromEntries(Object.keys(inner).map((key) => [key, removed]))
        : withoutEnvironments(inner),
    ]),
  );
}
