import type { RunningTransition } from "./observation.ts";
import type { DatabaseStatus, Finding, Status } from "./status.ts";
import { findAll } from "./statusFindings.ts";
import type { ApplicationNode, DatabaseNode, GatewayNode, ServerNode, Topology } from "./topology.ts";
import type { DatabaseName, Phase } from "./vocabulary.ts";

/** What of the topology a verdict needs. Servers have it in their configuration, and judge by the same rules. */
export interface Declared extends Pick<Topology, "stack" | "model" | "synchronous"> {
  readonly databases: readonly Pick<DatabaseNode, "name" | "slot" | "containerName">[];
  readonly servers: readonly Pick<ServerNode, "name" | "containerName">[];
  readonly applications: readonly Pick<ApplicationNode, "name" | "containerName">[];
  /** Null where there is none. */
  readonly gateway: Pick<GatewayNode, "containerName"> | null;
}

/** What was seen of everything, to be judged. */
export interface Seen
  extends Pick<Status, "databases" | "servers" | "applications" | "gateway" | "transition" | "observedAt"> {
  readonly writable: readonly DatabaseName[];
}

/** A status without the version of its JSON, certificates and backups: those only whoever is outside sees so. */
export type Verdict = Omit<Status, "version" | "certificates" | "backups">;

/**
 * The verdict on what was seen. Pure.
 *
 * @param more findings that come after those of databases, servers and gateway
 * @param causes findings that come before them, because they explain them
 */
export function conclude(
  declared: Declared,
  seen: Seen,
  more: readonly Finding[] = [],
  causes: readonly Finding[] = [],
): Verdict {
  const { writable, databases, servers, applications, gateway, transition, observedAt } = seen;
  const findings = [...causes, ...findAll(declared, seen), ...more];
  const phase = phaseOf(writable, findings, transition);
  const verdict = verdictOf(writable.length, databases, findings);
  return {
    stack: declared.stack,
    model: declared.model,
    phase,
    verdict,
    summary: summaryOf(phase, verdict, findings),
    observedAt,
    transition,
    databases,
    servers,
    applications,
    gateway,
    findings,
  };
}

const phaseOfTransition: Readonly<Record<string, Phase>> = {
  promote: "promoting",
  restore: "restoring",
  rebuild: "rebuilding",
};

function phaseOf(
  writable: readonly DatabaseName[],
  findings: readonly Finding[],
  transition: RunningTransition | null,
): Phase {
  const running = transition && phaseOfTransition[transition.holder.split(" ")[1] ?? ""];
  if (running) return running;
  if (writable.length === 1 && writable[0] === "read-only") return "promoted";
  return findings.length === 0 ? "normal" : "degraded";
}

function verdictOf(
  writableCount: number,
  databases: readonly DatabaseStatus[],
  findings: readonly Finding[],
): Status["verdict"] {
  if (findings.length === 0) return "ok";
  if (writableCount === 0) return databases.some(({ role }) => role === "unknown") ? "unknown" : "down";
  return "degraded";
}

function summaryOf(phase: Phase, verdict: Status["verdict"], findings: readonly Finding[]): string {
  const first = findings[0];
  if (!first)
    return phase === "promoted"
      ? "The read-only server is the acting primary."
      : "Everything is as declared.";
  const more = findings.length > 1 ? ` and ${findings.length - 1} more` : "";
  const impact =
    verdict === "down"
      ? "No database accepts writes"
      : verdict === "unknown"
        ? "Nobody knows from here"
        : "Degraded";
  return `${impact}: ${first.subject} ${first.problem}${more}.`;
}
