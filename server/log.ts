import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger } from "pino";

/** Field names whose values never reach a log, at the top or one or two levels down. */
const secretFields = [
  "authorization",
  "cookie",
  "secret",
  "password",
  "token",
  "encryptionKey",
  "adminToken",
];

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
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`, `*.*.*.${field}`]),
        censor: "[redacted]",
      },
      serializers: { err: describeError, error: describeError },
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
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
