/** PostgreSQL parameters: the defaults of this project, and those that it sets itself and nobody else may. */

/** Defaults that config may override (`pg-continuity:postgresParameters`). Units as PostgreSQL writes them. */
export const defaultParameters: Readonly<Record<string, string>> = {
  max_connections: "200",
  max_locks_per_transaction: "64",
  max_prepared_transactions: "0",
  max_worker_processes: "8",
  shared_buffers: "128MB",
  effective_cache_size: "512MB",
  maintenance_work_mem: "64MB",
  wal_compression: "on",
  max_wal_size: "1GB",
  min_wal_size: "80MB",
  checkpoint_timeout: "5min",
  checkpoint_completion_target: "0.9",
  random_page_cost: "1.1",
  max_standby_streaming_delay: "30s",
  log_checkpoints: "on",
  log_connections: "off",
  log_lock_waits: "on",
  log_min_duration_statement: "1s",
  log_autovacuum_min_duration: "10s",
  timezone: "UTC",
  log_timezone: "UTC",
};

/** WAL kept for pg_rewind, in megabytes, where the stack allows slots that much. */
const rewindWalMegabytes = 256;

/**
 * Parameters that replication, TLS and the guard rest on. The same on every node, because any node may become
 * the writable one (PostgreSQL documentation, 26.2.3: set the standby up exactly like the primary).
 */
export function ownParameters(slotWalKeepMegabytes: number): Readonly<Record<string, string>> {
  return {
    listen_addresses: "*",
    port: "5432",
    unix_socket_directories: "/run/postgresql",
    password_encryption: "scram-sha-256",
    ssl: "on",
    ssl_min_protocol_version: "TLSv1.2",
    // logical: slots for logical replication can be added later without a restart.
    wal_level: "logical",
    wal_log_hints: "on",
    full_page_writes: "on",
    fsync: "on",
    synchronous_commit: "on",
    hot_standby: "on",
    // Logical slots marked "failover" are kept on the standby too; the two settings below are what that needs
    // (PostgreSQL documentation, 47.2.3).
    sync_replication_slots: "on",
    hot_standby_feedback: "on",
    max_wal_senders: "10",
    max_replication_slots: "10",
    max_slot_wal_keep_size: `${slotWalKeepMegabytes}MB`,
    // pg_rewind needs the old primary's WAL back to the last checkpoint that both had; without this a later
    // checkpoint, while its standby is away, throws it away, and the old primary has to be copied as a whole. A standby
    // keeps less (role.conf).
    wal_keep_size: `${Math.min(slotWalKeepMegabytes, rewindWalMegabytes)}MB`,
    wal_sender_timeout: "10s",
    wal_receiver_timeout: "10s",
    wal_receiver_status_interval: "1s",
    // The default of 5 s can stall a promotion for as long.
    wal_retrieve_retry_interval: "200ms",
    tcp_keepalives_idle: "10",
    tcp_keepalives_interval: "5",
    tcp_keepalives_count: "3",
    recovery_target_timeline: "latest",
    archive_mode: "off",
    logging_collector: "off",
    log_destination: "stderr",
    log_line_prefix: "%m [%p] %q%u@%d ",
  };
}

/** Files and names that the renderer sets besides `ownParameters`. */
const renderedNames = [
  "config_file",
  "data_directory",
  "hba_file",
  "ident_file",
  "ssl_cert_file",
  "ssl_key_file",
  "ssl_ca_file",
  "cluster_name",
  "primary_conninfo",
  "primary_slot_name",
  "synchronous_standby_names",
  "external_pid_file",
];

/** Names that config may not set. */
export const managedParameters: ReadonlySet<string> = new Set([
  ...Object.keys(ownParameters(0)),
  ...renderedNames,
]);

/** What the parameters are set to: this project's defaults, the given ones, and over both what nobody else may set. */
export function effectiveParameters(settings: {
  readonly postgresParameters: Readonly<Record<string, string | number | boolean>>;
  readonly slotWalKeepMegabytes: number;
}): Readonly<Record<string, string>> {
  const given = Object.entries(settings.postgresParameters).map(([name, value]) => [
    name,
    parameterText(value),
  ]);
  return {
    ...defaultParameters,
    ...Object.fromEntries(given),
    ...ownParameters(settings.slotWalKeepMegabytes),
  };
}

/** A value as postgresql.conf has it. */
export function parameterText(value: string | number | boolean): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  return String(value);
}
