import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import type { Nodes } from "./nodes.ts";

/** The files of a support bundle by their paths within its folder. */
export async function filesOf(archive: Uint8Array): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const reader = extract();
  reader.end(gunzipSync(archive));
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(Buffer.from(chunk as Uint8Array));
    files.set(entry.header.name.replace(/^[^/]+\//, ""), Buffer.concat(chunks).toString("utf8"));
  }
  return files;
}

/** How a secret may be written. */
function spellings(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    bytes.toString("base64").replace(/=+$/, "").slice(0, -1),
    bytes.toString("base64url").slice(0, -1),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    encodeURIComponent(secret),
    encodeURIComponent(bytes.toString("base64").replace(/=+$/, "").slice(0, -1)),
  ];
}

/** `FILE: SECRET` for each secret that is found in a file, however it is written there. */
export function leaksOf(
  files: ReadonlyMap<string, string>,
  secrets: ReadonlyMap<string, string>,
): readonly string[] {
  return [...files].flatMap(([path, text]) =>
    [...secrets]
      .filter(([, secret]) => spellings(secret).some((spelling) => text.includes(spelling)))
      .map(([name]) => `${path}: ${name}`),
  );
}

/** Has every secret, in all spellings, in the record of transitions while something is done: what people write there is in a bundle. */
export async function withPlanted<T>(
  nodes: Nodes,
  secrets: ReadonlyMap<string, string>,
  work: () => Promise<T>,
): Promise<T> {
  const at = "2026-01-01T00:00:00.000Z";
  const evidence = {
    ...{ version: 1, transition: "promote", transitionId: "planted", stack: "test", actor: "planted" },
    ...{ commit: null, startedAt: at, endedAt: at, verdict: "failed", before: [], after: [], steps: [] },
    ...{
      writeGapSeconds: null,
      lostWrites: null,
      warnings: [...secrets.values()].flatMap(spellings),
      error: "",
    },
  };
  const sql = (statement: string) => nodes.sql("shared-database", statement, "vault");
  await sql(
    `insert into continuity.transition (evidence) values ($planted$${JSON.stringify(evidence)}$planted$)`,
  );
  try {
    return await work();
  } finally {
    await sql("delete from continuity.transition where evidence ->> 'transitionId' = 'planted'");
  }
}
