/** A parameter that somebody has set in a database itself (`ALTER SYSTEM`), past the stack's config. */
export interface Override {
  readonly name: string;
  readonly value: string;
}

/**
 * Reads `postgresql.auto.conf`, the file that `ALTER SYSTEM` writes and that PostgreSQL reads last: one `name = 'value'`
 * a line, quotes inside doubled. The last one of a name counts.
 */
export function parseAutoConf(text: string): readonly Override[] {
  const found = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^\s*([A-Za-z_][\w.]*)\s*=\s*'((?:[^']|'')*)'/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined)
      found.set(match[1].toLowerCase(), match[2].replaceAll("''", "'"));
  }
  return [...found].map(([name, value]) => ({ name, value }));
}
