import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger } from "pino";

/** Field names whose values never reach a log, however deep they lie. */
const secretFields = new Set([
  "authorization",
  "cookie",
  "secret",
  "password",
  "passwords",
  "token",
  "encryptionKey",
  "adminToken",
]);
const censor = "[redacted]";
/** Objects within objects; whatever contains itself ends there. */
const maxDepth = 10;

/**
 * A logger that writes one JSON object a line, without secrets.
 *
 * @param destination where to; standard output unless a test gives another.
 */
export function createLogger(
  options: { readonly level: string; readonly server: string },
  destination?: DestinationStream,
): Logger {
  return pino(
    {
      level: options.level,
      base: { server: options.server },
      timestamp: pino.stdTimeFunctions.isoTime,
      // Pino hides only what lies at a depth that it was told; it also does what a child logger always says.
      redact: { paths: [...secretFields], censor },
      formatters: { level: (label) => ({ level: label }), log: withoutSecrets },
      serializers: { err: describeError, error: describeError },
    },
    destination ?? standardOutput(),
  );
}

/** Where a server's log goes: each line at once. */
export function standardOutput(): DestinationStream {
  return pino.destination({ dest: 1, sync: true });
}

/** A copy of plain objects and arrays with the values of secret fields replaced; anything else as it is. */
function withoutSecrets(fields: object, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      secretFields.has(name) ? censor : cleaned(value, depth),
    ]),
  );
}

function cleaned(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth >= maxDepth) return "[too deep]";
  if (Array.isArray(value)) return value.map((item) => cleaned(item, depth + 1));
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? withoutSecrets(value, depth + 1) : value;
}

/** Of an error only what cannot carry a row's content or a connection string: PostgreSQL's `detail` is left out. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = "code" in error ? error.code : undefined;
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
