import { errorCode, isConnectionFailure } from "../../core/connectionFailure.ts";

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

/** Further SQLSTATEs after which the node itself has to be looked at again. */
const nodeStates = new Set([
  "25006", // read_only_sql_transaction: it has become a standby or was closed
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

/** Classifies an error thrown by the driver. */
export function classifyFailure(error: unknown): FailureKind {
  const code = errorCode(error);
  if (isConnectionFailure(error)) return "connection";
  if (code === null) return "other";
  if (nodeStates.has(code)) return "connection";
  if (contentionStates.has(code)) return "contention";
  return unpreparedStates.has(code) ? "unprepared" : "other";
}
