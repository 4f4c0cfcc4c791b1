import { z } from "zod";
import { line, text } from "../http/validate.ts";

/** A shared account of some system. Its secret is only ever shown by `/secret`. */
export interface Resource {
  readonly id: string;
  readonly name: string;
  readonly account: string;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  readonly updatedAt: string;
}

export const createResourceSchema = z.strictObject({
  name: line(200),
  account: line(200),
  secret: text(16_384),
});
export type CreateResource = z.output<typeof createResourceSchema>;

/** Where a page ends: name and id of its last entry. */
const cursorSchema = z.tuple([line(200), z.uuid()]);

export const listQuerySchema = z.strictObject({
  /** Part of the name, upper or lower case. */
  name: line(200).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** `next` of the page before. */
  after: z
    .string()
    .max(2000)
    .transform((value, context) => {
      const cursor = decodeCursor(value);
      if (cursor === null) {
        context.addIssue({ code: "custom", message: 'must be the "next" of the page before' });
        return z.NEVER;
      }
      return cursor;
    })
    .optional(),
});
export type ListQuery = z.output<typeof listQuerySchema>;

export const idSchema = z.strictObject({ id: z.uuid() });

export function encodeCursor(resource: Resource): string {
  return Buffer.from(JSON.stringify([resource.name, resource.id])).toString("base64url");
}

function decodeCursor(value: string): z.output<typeof cursorSchema> | null {
  try {
    return cursorSchema.safeParse(JSON.parse(Buffer.from(value, "base64url").toString("utf8"))).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
