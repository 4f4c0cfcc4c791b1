/** A write that this server cannot do now, and why. Answered with 503. */
export class WriteUnavailable extends Error {
  readonly kind:
    | "read-only-continuity"
    | "no-writable-database"
    | "overloaded"
    | "not-prepared"
    | "time-limit";
  /** True if the write may have been done all the same: ask again with the same idempotency key. */
  readonly outcomeUnknown: boolean;
  readonly retryAfterSeconds: number;

  constructor(
    kind: WriteUnavailable["kind"],
    message: string,
    options: {
      readonly retryAfterSeconds: number;
      readonly outcomeUnknown?: boolean;
      readonly cause?: unknown;
    },
  ) {
    super(message, { cause: options.cause });
    this.name = "WriteUnavailable";
    this.kind = kind;
    this.outcomeUnknown = options.outcomeUnknown ?? false;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The work of a write refuses: nothing is written, and to try again would not help. */
export class Refused extends Error {}

/** The same idempotency key was used for a different request. Answered with 422. */
export class IdempotencyMismatch extends Refused {
  constructor() {
    super("this Idempotency-Key was used before for a different request; use a new key for a new request");
    this.name = "IdempotencyMismatch";
  }
}
