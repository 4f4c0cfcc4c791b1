/** Codes of the system and of Node.js. */
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

/** SQLSTATEs of a node that ends, has crashed, or does not take connections yet. */
const nodeStates = new Set([
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
]);

/** The driver gives these no code. */
const messages =
  /connection terminated|client has encountered a connection error|timeout exceeded when trying to connect|timeout expired|query read timeout|connection error and is not queryable|client was closed|pool after calling end|database connection was cut|socket disconnected/i;

/** The SQLSTATE or system code of an error, or null. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

/** Whether an error of the driver says that the connection is gone, or could not be made: nothing is wrong with the work. */
export function isConnectionFailure(error: unknown): boolean {
  const code = errorCode(error);
  if (code !== null && (nodeStates.has(code) || code.startsWith("08") || systemCodes.has(code))) return true;
  return error instanceof Error && messages.test(error.message);
}
