/** What an error of the driver or of PostgreSQL means for the request that met it. */
export type FailureKind =
  /** The connection is gone or could not be made, or the node does not take this work any more: look again, try again. */
  | "connection"
  /** The transaction lost against another one: try again on the same database. */
  | "contention"
  /** The database is there, but its schema is not (yet). */
  | "unprepared"
  /** Anything else: trying again would not help. */
  | "other";

/** SQLSTATE query_canceled: the statement took longer than it may. */
export const queryCanceled = "57014";

/** SQLSTATEs after which the node itself has to be looked at again. */
const nodeStates = new Set([
  "25006", // read_only_sql_transaction: it has become a standby or was closed
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
  "53300", // too_many_connections
  // invalid_password: the role has another one already or still; the configuration with it is on its way.
  "28P01",
]);

const contentionStates = new Set(["40001", "40P01", "55P03"]);

const unpreparedStates = new Set([
  "42P01", // undefined_table
  "3F000", // invalid_schema_name
  "42501", // insufficient_privilege: the grants come with the migrations
  "42703", // undefined_column: the schema is of an older version
]);

const systemCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNABORTED",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_WRITE_AFTER_END",
]);

/** The driver gives these no code. */
const connectionMessages =
  /connection terminated|client has encountered a connection error|timeout exceeded when trying to connect|query read timeout|connection error and is not queryable|client was closed|pool after calling end|database connection was cut|socket disconnected/i;

/** The SQLSTATE or system code of an error, or null. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

/** Classifies an error thrown by the driver. */
export function classifyFailure(error: unknown): FailureKind {
  const code = errorCode(error);
  if (code !== null) {
    if (nodeStates.has(code) || code.startsWith("08") || systemCodes.has(code)) return "connection";
    if (contentionStates.has(code)) return "contention";
    if (unpreparedStates.has(code)) return "unprepared";
  }
  if (error instanceof Error && connectionMessages.test(error.message)) return "connection";
  return "other";
}
