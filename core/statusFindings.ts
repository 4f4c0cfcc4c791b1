import type { ApplicationStatus, DatabaseStatus, Finding, ServerStatus, Status } from "./status.ts";
import type { Declared } from "./verdict.ts";
import type { DatabaseName } from "./vocabulary.ts";

/** A standby that is further behind than this, in bytes, is a finding. */
const lagLimitBytes = 64 * 1024 * 1024;

/** Everything that is not as declared, each with the way out. */
export function findAll(
  declared: Declared,
  seen: Pick<Status, "databases" | "servers" | "applications" | "gateway"> & {
    readonly writable: readonly DatabaseName[];
  },
): readonly Finding[] {
  return [
    ...writableFindings(seen.writable),
    ...seen.databases.flatMap((database) => databaseFindings(declared, database)),
    ...seen.servers.flatMap((server) => serverFindings(declared, server)),
    ...packFindings(seen.servers),
    ...seen.applications.flatMap((application) => applicationFindings(declared, application)),
    ...gatewayFindings(declared, seen.gateway),
    ...synchronousFindings(declared, seen.databases),
    ...degenerateFindings(seen.writable, seen.databases),
  ];
}

function gatewayFindings(declared: Declared, gateway: Status["gateway"]): Finding[] {
  if (gateway.reachable || declared.gateway === null) return [];
  const remedy = startRemedy(declared.gateway.containerName);
  return [{ subject: "gateway", problem: gateway.detail ?? "does not run", remedy }];
}

/**
 * The degenerate state: of two databases only one is in operation, nothing could take over from it. PostgreSQL's
 * documentation (26.3) asks to leave it as soon as possible.
 */
function degenerateFindings(
  writable: readonly DatabaseName[],
  databases: readonly DatabaseStatus[],
): Finding[] {
  const [only] = writable;
  if (writable.length !== 1 || databases.length < 2) return [];
  const other = databases.find(({ name }) => name !== only);
  if (!other || (other.role === "standby" && other.streaming === true)) return [];
  const since = other.reachable ? null : other.since;
  return [
    {
      subject: "deployment",
      problem: `runs on one database (${only})${since ? ` since ${since}` : ""}: nothing can take over from it without loss`,
      remedy:
        only === "read-only"
          ? 'Bring the shared database back: "pulumi config set transition restore".'
          : `Bring the ${other.name} database back; if its data is lost: "pulumi config set transition rebuild".`,
    },
  ];
}

/** Writes that wait for a replica, and a mode that is not the declared one. */
function synchronousFindings(declared: Declared, databases: readonly DatabaseStatus[]): Finding[] {
  const findings: Finding[] = [];
  const primary = databases.find(({ role }) => role === "primary");
  if (!primary || primary.synchronous === null) return [];
  if (primary.synchronous && !databases.some(({ syncState }) => syncState === "sync"))
    findings.push({
      subject: "writes",
      problem: `wait: replication is synchronous, and no replica confirms them (${primary.waitingCommits ?? 0} wait now)`,
      remedy:
        'Bring the replica back, or let writes go on without it: "pulumi config set synchronous false && pulumi up".',
    });
  if (primary.synchronous !== declared.synchronous) {
    const mode = (synchronous: boolean) => (synchronous ? "synchronous" : "asynchronous");
    findings.push({
      subject: `${primary.name} database`,
      problem: `replicates ${mode(primary.synchronous)}ly, declared is ${mode(declared.synchronous)}`,
      remedy:
        "Apply it again: pulumi up. A setting by hand goes with ALTER SYSTEM RESET synchronous_standby_names.",
    });
  }
  return findings;
}

function writableFindings(writable: readonly DatabaseName[]): Finding[] {
  if (writable.length < 2) return [];
  return [
    {
      subject: "databases",
      problem: `${writable.join(" and ")} both accept writes`,
      remedy:
        "Stop the one with the lower timeline at once (docker stop), and keep its data folder for inspection.",
    },
  ];
}

function databaseFindings(declared: Declared, database: DatabaseStatus): Finding[] {
  const subject = `${database.name} database`;
  const node = declared.databases.find(({ name }) => name === database.name);
  const containerName = node?.containerName ?? database.name;
  if (!database.reachable)
    return [
      {
        subject,
        problem: `${database.role}: ${database.detail ?? "no reason known"}`,
        remedy: silentRemedy(database, containerName),
      },
    ];
  if (database.role !== database.expectedRole)
    return [
      {
        subject,
        problem: `is ${database.role}, was told to be ${database.expectedRole}`,
        remedy: `Look at what it says: docker logs ${containerName}`,
      },
    ];
  if (database.role !== "standby") return [];
  return standbyFindings(subject, database, containerName);
}

function standbyFindings(subject: string, database: DatabaseStatus, containerName: string): Finding[] {
  const findings: Finding[] = [];
  if (database.slot?.walStatus === "lost")
    findings.push({
      subject,
      problem: `its slot ${database.slot.name} was lost: it was away longer than slotWalKeepMegabytes allows, and the WAL it needs is gone`,
      remedy: `Build it again from a base backup (transition ${database.name === "shared" ? "restore" : "rebuild"}).`,
    });
  else if (database.streaming === false)
    findings.push({
      subject,
      problem: "does not stream",
      remedy: `Look at what it says: docker logs ${containerName}`,
    });
  if (database.slot === null && database.lagBytes !== null)
    findings.push({
      subject,
      problem: "has no slot on the writable database: WAL it needs may be removed while it is away",
      remedy: 'Run "npm run up": it makes the slot again.',
    });
  if (database.lagBytes !== null && database.lagBytes > lagLimitBytes)
    findings.push({
      subject,
      problem: `is ${database.lagBytes} bytes behind (limit ${lagLimitBytes})`,
      remedy: "Look for a long query on it that holds replay back, or for a slow disk or network.",
    });
  if (database.detail !== null)
    findings.push({ subject, problem: database.detail, remedy: "Resume it: SELECT pg_wal_replay_resume();" });
  return findings;
}

function silentRemedy(database: DatabaseStatus, containerName: string): string {
  if (database.role === "unknown") return "Make its Docker host reachable, or promote the other database.";
  if (database.role === "closed" || database.role === "fenced")
    return "It opens by itself once it is safe, or by a transition.";
  return startRemedy(containerName);
}

function serverFindings(declared: Declared, server: ServerStatus): Finding[] {
  if (server.problem !== null)
    return [
      {
        subject: `${server.name} server`,
        problem: server.problem,
        remedy: 'Run "npm run up": it gives the role its password again.',
      },
    ];
  if (server.role === server.expectedRole) return [];
  const containerName =
    declared.servers.find(({ name }) => name === server.name)?.containerName ?? server.name;
  return [
    {
      subject: `${server.name} server`,
      problem: `is ${server.role}, expected ${server.expectedRole}${server.detail ? ` (${server.detail})` : ""}`,
      remedy:
        server.role === "down"
          ? startRemedy(containerName)
          : `Look at what it says: docker logs ${containerName}`,
    },
  ];
}

function applicationFindings(declared: Declared, application: ApplicationStatus): Finding[] {
  const { name, state, detail } = application;
  if (state === "well") return [];
  const containerName = declared.applications.find((node) => node.name === name)?.containerName ?? name;
  return [
    {
      subject: `${name} application`,
      problem: `is ${state}${detail ? ` (${detail})` : ""}`,
      remedy:
        state === "unwell"
          ? `Look at what it says: docker logs ${containerName}`
          : startRemedy(containerName),
    },
  ];
}

const packRemedies = {
  version: 'Apply it again, one server after the other gets the same image: "npm run up".',
  keyFingerprint:
    "Give every server the same key file and send SIGHUP; while the key is being replaced this goes by itself.",
  schema: "A server follows within seconds; if one does not, look at what it says in its log.",
} as const;

/** What has to be the same on all servers, and is not. */
function packFindings(servers: readonly ServerStatus[]): Finding[] {
  return Object.entries(packRemedies).flatMap(([part, remedy]) => {
    const values = servers.flatMap(({ name, pack }) => {
      const value = pack?.[part as keyof typeof packRemedies] ?? null;
      return value === null ? [] : [{ name, value }];
    });
    if (new Set(values.map(({ value }) => value)).size < 2) return [];
    const list = values.map(({ name, value }) => `${name} ${value}`).join(", ");
    return [{ subject: "servers", problem: `differ in ${part}: ${list}`, remedy }];
  });
}

function startRemedy(containerName: string): string {
  return `Start it: docker start ${containerName}. Where it runs and is cut off, "npm run up" connects it to its network again. Its log: docker logs ${containerName}`;
}
