import { z } from "zod";
import { cursor } from "../http/cursor.ts";
import { line, text } from "../http/validate.ts";

/** A shared account of some system. Its secret is only ever shown by `/secret`. */
export const resourceSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    account: z.string(),
    /** RFC 3339, UTC. */
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    /** When the secret was stored last. */
    rotatedAt: z.iso.datetime(),
    rotateEveryDays: z.number().int().nullable(),
  })
  .readonly()
  .meta({ id: "Resource" });
export type Resource = z.output<typeof resourceSchema>;

export const resourcePageSchema = z.object({
  items: z.array(resourceSchema),
  next: z.string().nullable().meta({ description: "`after` of the next page; null on the last one" }),
});

export const revealedSchema = z.object({ id: z.uuid(), secret: z.string() });

/** After so many days a new secret is due; null for never. */
const rotateEveryDays = z.number().int().min(1).max(3650).nullable();

export const createResourceSchema = z.strictObject({
  name: line(200),
  account: line(200),
  secret: text(16_384),
  rotateEveryDays: rotateEveryDays.optional(),
});

export const updateResourceSchema = z
  .strictObject({ name: line(200), account: line(200), rotateEveryDays })
  .partial()
  .refine((value) => Object.keys(value).length > 0, "name at least one field");
export type UpdateResource = z.output<typeof updateResourceSchema>;

/** Without a secret one is made: 32 letters, digits, - and _. */
export const rotateSchema = z.strictObject({ secret: text(16_384).optional() });

/** Where a page ends: name and id of its last entry. */
const place = cursor(z.tuple([line(200), z.uuid()]));

export const listQuerySchema = z.strictObject({
  name: line(200).optional().meta({ description: "Part of the name, upper or lower case" }),
  search: line(200).optional().meta({ description: "Part of the name or of the account" }),
  due: z
    .enum(["true", "false"])
    .optional()
    .meta({ description: "true: only those whose secret is due for rotation" }),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** `next` of the page before. */
  after: place.text.optional(),
});
export type ListQuery = z.output<typeof listQuerySchema>;

export const idSchema = z.strictObject({ id: z.uuid() });

export function encodeCursor({ name, id }: Resource): string {
  return place.encode([name, id]);
}
