import { outstanding } from "../../core/alerts/ledger.ts";
import { judgeAlerts } from "../../core/alerts/rules.ts";
import { ageFindings } from "../../core/backups/record.ts";
import type { ApplicationStatus, DatabaseStatus, ServerStatus } from "../../core/status.ts";
import { conclude, type Declared } from "../../core/verdict.ts";
import type { DatabaseName, ServerName } from "../../core/vocabulary.ts";
import type { ClusterState } from "../databases/cluster.ts";
import type { DatabaseDetail } from "../databases/detail.ts";
import { type DatabaseView, databaseRole } from "../databases/view.ts";
import { withCauses } from "./causes.ts";
import { answerOf, type OverviewInput } from "./input.ts";
import { nextOf } from "./next.ts";
import type { Deployment, GatewayView } from "./peers.ts";
import type { ApplicationTile, DatabaseTile, Overview, ServerTile } from "./schema.ts";

/**
 * One verdict from one set of observations. Pure. Whatever the single looks were, at most one database is shown as the
 * writable one: the one that this server would write to; another that claims to be it is "refused", with the reason.
 */
export function overviewOf(input: OverviewInput): Overview {
  const { server, deployment, cluster, names, now } = input;
  const { writable } = cluster.choice;
  const observedAt = new Date(now).toISOString();
  const transition = runningTransition(input);
  const { databases, servers } = withCauses(input, {
    databases: deployment.databases.map(({ name, slot }) => databaseTile(input, name, slot)),
    servers: deployment.servers.map(({ name, displayName }) =>
      serverTile(input, name, names.get(name) ?? displayName),
    ),
    isInTransition: transition !== null,
  });
  const gateway =
    deployment.gateway === null
      ? null
      : {
          reachable: input.gateway.reachable,
          detail: gatewayDetail(input.gateway),
          ownCertificateEndsAt: deployment.gateway.ownCertificateEndsAt,
        };
  const applications = deployment.applications.map((application) => applicationTile(input, application));
  const declared: Declared = { stack: input.stack, ...deployment };
  const { backups } = input;
  const tooOld = backups?.record ? ageFindings(backups.record, backups.alertAfterHours, observedAt) : [];
  const observed = {
    writable: claimants(cluster),
    databases: databases.map((tile) => databaseStatus(input, tile, observedAt)),
    servers: servers.map((tile) => serverStatus(input, tile, observedAt)),
    applications: applications.map((tile) => applicationStatus(tile, observedAt)),
    gateway: gateway ?? { reachable: true, detail: null },
    transition,
    observedAt,
  };
  const verdict = conclude(declared, observed, tooOld);
  const { phase, summary, findings } = verdict;
  const seen = {
    server,
    observedAt,
    stack: input.stack,
    model: deployment.model,
    phase,
    verdict: verdict.verdict,
    summary,
    writable,
    transition,
    servers,
    databases,
    applications,
    gateway,
    findings: [...findings],
    backups,
    next: nextOf(input, declared, verdict),
  };
  return { ...seen, ...alertsOf(input, seen) };
}

/** What holds now, and what people were told of and not yet told that it is over. */
function alertsOf(
  { alerting, now }: OverviewInput,
  seen: Omit<Overview, "alerts" | "alerting">,
): Pick<Overview, "alerts" | "alerting"> {
  const { settings, ledger, channels, sender, lastTransition } = alerting;
  const open = new Map(
    Object.values(ledger.incidents).flatMap((incident) =>
      incident.recoveredAt === null ? [[incident.key, incident] as const] : [],
    ),
  );
  const alerts = judgeAlerts({ ...seen, lastTransition }, settings).flatMap(({ holds, ...judgement }) => {
    const incident = open.get(judgement.key);
    if (holds === true) return [{ ...judgement, firedAt: incident?.firedAt ?? null }];
    if (incident === undefined) return [];
    const { key, rule, severity, subject, problem, remedy, firedAt } = incident;
    return [{ key, rule, severity, subject, problem, remedy, firedAt }];
  });
  if (channels.length === 0) return { alerts, alerting: null };
  const states = channels.map((name) => ({
    name,
    problem: ledger.channels[name]?.problem ?? null,
    at: ledger.channels[name]?.at ?? null,
    waiting: outstanding(ledger, name, now).length,
  }));
  return { alerts, alerting: { sender, channels: states } };
}

/** The writable database; two where neither can be preferred, which is the worst that can be found. */
function claimants({ views, choice }: ClusterState): readonly DatabaseName[] {
  if (choice.conflict === null) return choice.writable === null ? [] : [choice.writable];
  const refused = new Set(choice.refused.map(({ name }) => name));
  return views
    .filter((view) => databaseRole(view) === "primary" && view.closed === false && !refused.has(view.name))
    .map(({ name }) => name);
}

function databaseTile(
  input: OverviewInput,
  name: DatabaseName,
  slotName: string,
): Omit<DatabaseTile, "causes"> {
  const { cluster, details } = input;
  const { writable, refused, conflict } = cluster.choice;
  const view = cluster.views.find((candidate) => candidate.name === name);
  const detail = details.get(name) ?? null;
  const source = writable === null ? undefined : details.get(writable);
  const isStandby = view?.inRecovery === true;
  // One look before the other: a detail from before a change of role tells nothing of now.
  const own = detail !== null && detail.inRecovery === isStandby ? detail : null;
  const feeds = isStandby ? writableDetail(source) : undefined;
  const role = roleOf(view, name, writable, conflict);
  // Also of a standby that is away: then above all its slot holds back WAL.
  const keeps = role === "standby" || role === "down" ? writableDetail(source) : undefined;
  const slot = keeps?.slots.find((candidate) => candidate.name === slotName) ?? null;
  const sender = feeds?.senders?.find((candidate) => candidate.name === `${name}-database`);
  const reason = refused.find((candidate) => candidate.name === name)?.reason ?? null;
  const since = input.since.get(name);
  return {
    name,
    role,
    expectedRole: expectedRole(name, writable),
    // Without a writable database there is nothing to follow, and reading is what a standby is there for.
    active: role === "primary" || (role === "standby" && (writable === null || own?.streaming !== false)),
    address: input.addresses.get(name) ?? "",
    version: own?.version ?? null,
    timeline: view?.timeline ?? null,
    lsn: own?.lsn ?? null,
    lagBytes: isStandby && feeds !== undefined ? (input.lag?.bytes ?? null) : null,
    lagSeconds: isStandby && feeds !== undefined ? (input.lag?.seconds ?? null) : null,
    streaming: isStandby ? (own?.streaming ?? null) : null,
    syncState: sender?.syncState ?? null,
    slot: slot === null ? null : { ...slot },
    startedAt: own?.startedAt ?? null,
    since: since === undefined ? null : isoTime(since),
    detail: view?.problem ?? reason ?? (own?.replayPaused === true ? "replay is paused" : null),
    reachedBy: input.deployment.servers.map(({ name: server }) => {
      const answer = answerOf(input, server);
      return reached(
        server,
        answer?.databases.find(({ database }) => database === name),
      );
    }),
    observedAt: view?.observedAt == null ? null : isoTime(view.observedAt),
  };
}

/** A detail from before a promotion tells nothing of who is fed. */
function writableDetail(detail: DatabaseDetail | undefined): DatabaseDetail | undefined {
  return detail?.inRecovery === false ? detail : undefined;
}

function roleOf(
  view: DatabaseView | undefined,
  name: DatabaseName,
  writable: DatabaseName | null,
  conflict: string | null,
): DatabaseTile["role"] {
  const role = view === undefined ? "unknown" : databaseRole(view);
  if (role === "unknown") return "down";
  if (role === "standby") return "standby";
  if (name === writable) return "primary";
  return view?.closed === true && conflict === null ? "closed" : "refused";
}

function expectedRole(name: DatabaseName, writable: DatabaseName | null): "primary" | "standby" {
  return name === (writable ?? "shared") ? "primary" : "standby";
}

function serverTile(input: OverviewInput, name: ServerName, displayName: string): Omit<ServerTile, "causes"> {
  const { cluster, now } = input;
  const answer = answerOf(input, name);
  const peer = input.peers.find((candidate) => candidate.name === name);
  const state = answer?.self.state ?? null;
  const role =
    answer === null
      ? "down"
      : state === "read-write" || state === "read-only"
        ? state
        : state === "holding"
          ? "read-write"
          : "unavailable";
  const expected =
    name === "read-only" && cluster.choice.writable !== "read-only" ? "read-only" : "read-write";
  const isUnasked = answer === null && peer?.observedAt == null;
  return {
    name,
    displayName,
    role: isUnasked ? "unknown" : role,
    expectedRole: expected,
    isActingPrimary: name === "read-only" && role === "read-write",
    active: role === "read-write" || role === "read-only",
    state,
    database: answer?.self.database ?? null,
    since: answer?.self.since ?? (peer === undefined ? null : isoTime(peer.since)),
    startedAt: answer?.self.startedAt ?? null,
    version: answer?.self.pack.version ?? null,
    detail:
      peer?.problem ?? answer?.self.problem ?? (role === "unavailable" || state === "holding" ? state : null),
    reachedBy: input.deployment.servers
      .filter((other) => other.name !== name)
      .map(({ name: server }) => {
        if (server === input.server) {
          const observed = peer?.observedAt ?? null;
          const reachable = observed === null ? null : answer !== null;
          return { server, reachable, observedAt: observed === null ? null : isoTime(observed) };
        }
        return reached(
          server,
          answerOf(input, server)?.servers.find((candidate) => candidate.server === name),
        );
      }),
    certificateExpiresAt: answer?.host?.certificateExpiresAt ?? null,
    diskUsedPercent: answer?.host?.diskUsedPercent ?? null,
    observedAt:
      name === input.server ? isoTime(now) : peer?.observedAt == null ? null : isoTime(peer.observedAt),
  };
}

function applicationTile(
  input: OverviewInput,
  { name, address, port }: Deployment["applications"][number],
): ApplicationTile {
  const view = input.applications.find((candidate) => candidate.name === name);
  const observedAt = view?.observedAt ?? null;
  return {
    name,
    isWell: view === undefined || observedAt === null ? null : view.problem === null,
    address: `${address}:${port}`,
    since: view === undefined || observedAt === null ? null : isoTime(view.since),
    detail: view?.problem ?? null,
    observedAt: observedAt === null ? null : isoTime(observedAt),
  };
}

/** What a server says of its attempts; nothing before the first. */
function reached(
  server: ServerName,
  seen: { readonly reachable: boolean; readonly observedAt: string | null } | undefined,
): ServerTile["reachedBy"][number] {
  const observedAt = seen?.observedAt ?? null;
  return { server, reachable: observedAt === null ? null : (seen?.reachable ?? null), observedAt };
}

function runningTransition({ cluster, details }: OverviewInput): Overview["transition"] {
  const { writable } = cluster.choice;
  const first = writable === null ? undefined : details.get(writable);
  const found = first?.transition ?? [...details.values()].find(({ transition }) => transition)?.transition;
  return found ?? null;
}

function gatewayDetail({ reachable, problem }: GatewayView): string | null {
  return reachable ? null : `does not take connections (${problem ?? "no reason known"})`;
}

/** A tile in the terms of `npm run status`. */
function databaseStatus(input: OverviewInput, tile: DatabaseTile, now: string): DatabaseStatus {
  const detail = input.details.get(tile.name);
  const isWritable = tile.role === "primary";
  return {
    name: tile.name,
    role: tile.role === "refused" ? "closed" : tile.role,
    expectedRole: tile.expectedRole,
    reachable: tile.role === "primary" || tile.role === "standby",
    timeline: tile.timeline,
    lsn: tile.lsn,
    lagBytes: tile.lagBytes,
    lagSeconds: tile.lagSeconds,
    slot: tile.slot,
    streaming: tile.streaming,
    synchronous: isWritable ? (detail?.synchronous ?? null) : null,
    waitingCommits: isWritable ? (detail?.waitingCommits ?? null) : null,
    syncState: tile.syncState,
    since: tile.since,
    observedAt: tile.observedAt ?? now,
    detail: tile.detail,
    keptData: null,
  };
}

function serverStatus(input: OverviewInput, tile: ServerTile, now: string): ServerStatus {
  return {
    name: tile.name,
    role: tile.role,
    expectedRole: tile.expectedRole,
    reachable: answerOf(input, tile.name) !== null,
    database: tile.database,
    since: tile.since,
    observedAt: tile.observedAt ?? now,
    detail: tile.detail,
    problem: answerOf(input, tile.name)?.self.problem ?? null,
    pack: answerOf(input, tile.name)?.self.pack ?? null,
  };
}

/** Of its container a server knows nothing: it is well, or it is not. */
function applicationStatus({ name, isWell, since, detail, observedAt }: ApplicationTile, now: string) {
  const state = isWell === null ? "unknown" : isWell ? "well" : "unwell";
  return { name, state, since, detail, observedAt: observedAt ?? now } satisfies ApplicationStatus;
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
