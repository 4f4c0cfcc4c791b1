import { z } from "zod";

/** Where a page of a list ends, as text that means something to this server only. */
export interface Cursor<T extends z.ZodType> {
  readonly schema: T;
  /** `after` of a request: the `next` of the page before. */
  readonly text: z.ZodType<z.output<T>, string>;
  readonly encode: (place: z.output<T>) => string;
}

/** A cursor whose place is what the schema says. */
export function cursor<T extends z.ZodType>(schema: T): Cursor<T> {
  const text = z
    .string()
    .max(2000)
    .transform((value, context) => {
      const place = schema.safeParse(decoded(value));
      if (place.success) return place.data;
      context.addIssue({ code: "custom", message: 'must be the "next" of the page before' });
      return z.NEVER;
    });
  return { schema, text, encode: (place) => Buffer.from(JSON.stringify(place)).toString("base64url") };
}

function decoded(value: string): unknown {
  try {
    return JSON.parse(Buffer.from(value, "base64url").toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
