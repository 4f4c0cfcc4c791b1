import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { phases } from "../../core/vocabulary.ts";
import type { Overview } from "../overview/schema.ts";
import { version } from "../version.ts";

/** Gauges of the library that end like counters, which Prometheus' own check refuses. */
const misnamed = ["handles", "requests", "resources"].map((what) => `nodejs_active_${what}_total`);

/** What the metrics are made of, beside the process's own. */
export interface MetricsInput {
  readonly overview: Overview;
  /** Audit events on this server's own disk that wait for a database. */
  readonly auditSpoolBytes: number;
}

/**
 * The metrics of one server in Prometheus' text format: what it sees of the whole deployment, and its own process. Where
 * something is not known there is no sample, never an old or a made-up one. Names are those of postgres_exporter where it
 * has the same thing.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #fill: ((input: MetricsInput) => void)[] = [];

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    for (const name of misnamed) this.#registry.removeSingleMetric(name);
    this.#databases();
    this.#servers();
    this.#deployment();
    this.#alerts();
    this.#backups();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of this moment. */
  async render(input: MetricsInput): Promise<string> {
    for (const fill of this.#fill) fill(input);
    return await this.#registry.metrics();
  }

  #databases(): void {
    this.#gauge("pg_up", "Whether this server reaches the database", ["database"], ({ overview }, set) => {
      for (const { name, reachedBy } of overview.databases) {
        const reached = reachedBy.find(({ server }) => server === overview.server)?.reachable;
        if (reached != null) set({ database: name }, reached);
      }
    });
    this.#perDatabase("pg_replication_is_replica", "Whether the database is a standby", ({ role }) =>
      role === "standby" ? 1 : role === "down" ? null : 0,
    );
    this.#perDatabase(
      "pg_replication_lag_seconds",
      "How long ago the writable database was where the standby is now",
      ({ lagSeconds }) => lagSeconds,
    );
    this.#perDatabase(
      "pg_replication_lag_bytes",
      "WAL that the standby has not replayed yet",
      ({ lagBytes }) => lagBytes,
    );
    this.#perDatabase("pg_postmaster_start_time_seconds", "When PostgreSQL was started", ({ startedAt }) =>
      startedAt === null ? null : Date.parse(startedAt) / 1000,
    );
    this.#perDatabase("pg_continuity_timeline", "Timeline of the database", ({ timeline }) => timeline);
    this.#perDatabase(
      "pg_continuity_streaming",
      "Whether the standby receives WAL by streaming",
      ({ streaming }) => (streaming === null ? null : Number(streaming)),
    );
    const slot = ["database", "slot_name"];
    this.#gauge(
      "pg_replication_slot_is_active",
      "Whether the standby's slot is in use",
      slot,
      ({ overview }, set) => {
        for (const { name, slot } of overview.databases)
          if (slot !== null) set({ database: name, slot_name: slot.name }, slot.active);
      },
    );
    this.#gauge(
      "pg_replication_slot_retained_bytes",
      "WAL that the standby's slot holds back",
      slot,
      ({ overview }, set) => {
        for (const { name, slot } of overview.databases)
          if (slot?.retainedBytes != null) set({ database: name, slot_name: slot.name }, slot.retainedBytes);
      },
    );
    this.#gauge(
      "pg_continuity_slot_lost",
      "Whether WAL that the standby needs is gone",
      slot,
      ({ overview }, set) => {
        for (const { name, slot } of overview.databases)
          if (slot !== null) set({ database: name, slot_name: slot.name }, slot.walStatus === "lost");
      },
    );
  }

  #servers(): void {
    this.#gauge(
      "pg_continuity_server_active",
      "Whether the application server answers and can do its duty",
      ["server"],
      ({ overview }, set) => {
        for (const { name, role, active } of overview.servers)
          if (role !== "unknown") set({ server: name }, active);
      },
    );
    this.#gauge(
      "pg_continuity_reachable",
      "Whether one server reaches another, or a database",
      ["from", "to"],
      ({ overview }, set) => {
        const nodes = [
          ...overview.servers.map(({ name, reachedBy }) => ({ to: `${name}-server`, reachedBy })),
          ...overview.databases.map(({ name, reachedBy }) => ({ to: `${name}-database`, reachedBy })),
        ];
        for (const { to, reachedBy } of nodes)
          for (const { server, reachable } of reachedBy)
            if (reachable !== null) set({ from: `${server}-server`, to }, reachable);
      },
    );
    this.#gauge(
      "pg_continuity_gateway_up",
      "Whether the gateway takes connections",
      [],
      ({ overview }, set) => {
        if (overview.gateway !== null) set({}, overview.gateway.reachable);
      },
    );
    this.#gauge(
      "pg_continuity_audit_spool_bytes",
      "Audit events on this server's disk that wait for a database",
      [],
      ({ auditSpoolBytes }, set) => set({}, auditSpoolBytes),
    );
    this.#gauge("pg_continuity_build_info", "Version of the server", ["version"], (_, set) =>
      set({ version }, 1),
    );
  }

  #deployment(): void {
    this.#gauge(
      "pg_continuity_phase",
      "1 for the phase of the deployment",
      ["phase"],
      ({ overview }, set) => {
        for (const phase of phases) set({ phase }, phase === overview.phase);
      },
    );
    this.#gauge(
      "pg_continuity_writable",
      "Whether this is the database that accepts writes",
      ["database"],
      ({ overview }, set) => {
        for (const { name, observedAt } of overview.databases)
          if (observedAt !== null) set({ database: name }, name === overview.writable);
      },
    );
    this.#gauge("pg_continuity_findings", "Things that are not as declared", [], ({ overview }, set) =>
      set({}, overview.findings.length),
    );
    this.#gauge("pg_continuity_transition_running", "Whether a transition runs", [], ({ overview }, set) => {
      // Only a database can tell.
      if (overview.databases.some(({ lsn }) => lsn !== null)) set({}, overview.transition !== null);
    });
  }

  #alerts(): void {
    const labels = ["rule", "subject", "severity"];
    this.#gauge(
      "pg_continuity_alert",
      "1 for what people are told, or would be",
      labels,
      ({ overview }, set) => {
        for (const { rule, subject, severity } of overview.alerts) set({ rule, subject, severity }, 1);
      },
    );
    this.#gauge(
      "pg_continuity_alert_channel_failing",
      "Whether the last notice could not be sent on this channel",
      ["channel"],
      ({ overview }, set) => {
        for (const { name, problem, at } of overview.alerting?.channels ?? [])
          if (at !== null) set({ channel: name }, problem !== null);
      },
    );
    this.#gauge(
      "pg_continuity_alert_notices_waiting",
      "Notices that are not sent yet on this channel",
      ["channel"],
      ({ overview }, set) => {
        for (const { name, waiting } of overview.alerting?.channels ?? []) set({ channel: name }, waiting);
      },
    );
  }

  #backups(): void {
    const seconds = (time: string) => Date.parse(time) / 1000;
    this.#gauge(
      "pg_continuity_backup_last_success_timestamp_seconds",
      "When the newest good backup was made",
      [],
      ({ overview: { backups } }, set) => {
        const lastGood = backups?.record?.lastGood;
        if (lastGood) set({}, seconds(lastGood.endedAt));
      },
    );
    this.#gauge(
      "pg_continuity_backup_since_timestamp_seconds",
      "When backups were turned on",
      [],
      ({ overview: { backups } }, set) => {
        const since = backups?.record?.since;
        if (since) set({}, seconds(since));
      },
    );
    this.#gauge(
      "pg_continuity_backup_alert_after_seconds",
      "How old the newest good backup may be",
      [],
      ({ overview: { backups } }, set) => {
        if (backups) set({}, backups.alertAfterHours * 3600);
      },
    );
  }

  #perDatabase(
    name: string,
    help: string,
    value: (database: Overview["databases"][number]) => number | null,
  ): void {
    this.#gauge(name, help, ["database"], ({ overview }, set) => {
      for (const database of overview.databases) {
        const found = value(database);
        if (found !== null) set({ database: database.name }, found);
      }
    });
  }

  #gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    fill: (
      input: MetricsInput,
      set: (labels: Readonly<Record<string, string>>, value: number | boolean) => void,
    ) => void,
  ): void {
    const gauge = new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
    this.#fill.push((input) => {
      gauge.reset();
      // Without labels a reset is a 0, which would be a value.
      if (labelNames.length === 0) gauge.remove();
      fill(input, (labels, value) => gauge.set({ ...labels }, Number(value)));
    });
  }
}
