import { z } from "zod";
import { HttpProblem } from "./problem.ts";

/**
 * The input as the schema gives it.
 *
 * @throws HttpProblem 400 naming each wrong field; never repeats a value, it may be a secret.
 */
export function validate<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const errors = result.error.issues.map(({ path, message }) => ({
    field: path.join(".") || "(body)",
    message,
  }));
  const list = errors.map(({ field, message }) => `${field}: ${message}`).join("; ");
  throw new HttpProblem("invalid-input", 400, list, { errors });
}

/** Text of one line that PostgreSQL can store: no control characters, no half characters. */
export function line(maxLength: number): z.ZodType<string> {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), "must not contain control characters");
}

/** Any text, also of several lines, that can be encoded as UTF-8. */
export function text(maxLength: number): z.ZodType<string> {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .refine((value) => !/\p{Cs}/u.test(value), "must be well-formed text");
}
