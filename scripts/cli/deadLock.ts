import { readdirSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { backendFolder } from "../setup/paths.ts";

/** What Pulumi's file backend writes into a stack's lock. */
const lockSchema = z.object({ pid: z.number().int(), hostname: z.string(), timestamp: z.string() });

/** A lock that was removed, because the `pulumi` that had it was killed. */
export interface DeadLock {
  readonly pid: number;
  readonly since: string;
}

/**
 * Removes a stack's locks in the file backend whose process is gone on this machine: what a `pulumi` leaves that was
 * killed. A lock of another machine, or of a process that lives, stays: only a person can know about those
 * (`pulumi cancel`). That two transitions never act at once does not rest on these locks.
 *
 * @returns the removed ones; none for another kind of backend
 */
export function clearDeadLocks(
  project: string,
  stack: string,
  environment: NodeJS.ProcessEnv = process.env,
): readonly DeadLock[] {
  const backend = backendPath(environment.PULUMI_BACKEND_URL);
  if (backend === undefined) return [];
  const folder = join(backend, ".pulumi", "locks", "organization", project, stack);
  return lockFiles(folder).flatMap((file) => {
    const parsed = lockSchema.safeParse(parseJson(readFileSync(file, "utf8")));
    // Half a lock, or a format of a later Pulumi: not ours to judge.
    if (!parsed.success) return [];
    const { pid, hostname: owner, timestamp } = parsed.data;
    if (owner !== hostname() || isPulumi(pid)) return [];
    rmSync(file, { force: true });
    return [{ pid, since: timestamp }];
  });
}

/** The folder of a file backend; undefined for any other. */
function backendPath(url: string | undefined): string | undefined {
  if (url === undefined || url === "") return backendFolder;
  if (!url.startsWith("file://")) return undefined;
  return url.startsWith("file:///") ? fileURLToPath(url) : url.slice("file://".length);
}

function lockFiles(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => join(folder, name));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // An interrupted write; the schema refuses it.
    return undefined;
  }
}

/** Whether that process lives and, where that can be seen, is a `pulumi`: numbers are used again. */
function isPulumi(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, as somebody else's.
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    return true;
  }
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return /^Name:\s+pulumi/m.test(status) && !/^State:\s+Z/m.test(status);
  } catch {
    // No /proc here, or it has just ended: as long as the number is taken the lock stays.
    return true;
  }
}
