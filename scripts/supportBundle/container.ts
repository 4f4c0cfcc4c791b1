import type Docker from "dockerode";
import { removed } from "../../core/supportBundle/redact.ts";

/** Variables that say how a program is run, and never what it must keep to itself. */
const plainVariables = new Set(["PATH", "LANG", "LC_ALL", "TZ", "PGDATA", "HOME", "NODE_ENV"]);

/** What the engine knows of a container, without the values of its environment. */
export async function inspected(container: Docker.Container): Promise<unknown> {
  const found = await container.inspect();
  const env = (found.Config.Env ?? []).map((entry) => {
    const name = entry.split("=", 1)[0] ?? "";
    return plainVariables.has(name) ? entry : `${name}=${removed}`;
  });
  return { ...found, Config: { ...found.Config, Env: env } };
}

/** The last lines that a container has written, each with its time. */
export async function logOf(container: Docker.Container, lines: number): Promise<string> {
  const answer = await container.logs({ stdout: true, stderr: true, timestamps: true, tail: lines });
  const { Config } = await container.inspect();
  const bytes = Buffer.isBuffer(answer) ? answer : Buffer.from(answer);
  return Config.Tty ? bytes.toString("utf8") : textOfFrames(bytes);
}

/** Without a terminal the engine sends standard output and error as frames: stream, length, content. */
export function textOfFrames(bytes: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    parts.push(bytes.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(parts).toString("utf8");
}
