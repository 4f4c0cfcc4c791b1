import { z } from "zod";
import { cursor } from "../http/cursor.ts";
import { line } from "../http/validate.ts";
import { deploymentActor, roles } from "./roles.ts";

const role = z.enum(roles);
/** Lower case, so that two names never differ by case only. */
export const accountName = z
  .string()
  .min(1)
  .max(100)
  .regex(
    /^[a-z0-9][a-z0-9._@-]*$/,
    "must be lower-case letters, digits and . _ @ -, a letter or digit first",
  );
/** In the audit an actor is told by its name: an account must not be taken for the deployment's own token. */
const newAccountName = accountName.refine(
  (name) => name !== deploymentActor.name,
  `must not be ${deploymentActor.name}: so the deployment's own token is called in the audit`,
);
/** Any characters; long rather than complicated (NIST SP 800-63B). */
const newPassword = z
  .string()
  .min(12)
  .max(200)
  .refine((text) => !/\p{Cs}/u.test(text), "must be well-formed text");
/** What somebody types at sign-in: only bounded. */
const anyPassword = z.string().max(1000);

export const accountSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    role,
    enabled: z.boolean(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    passwordChangedAt: z.iso.datetime(),
  })
  .meta({ id: "Account" });
export type Account = z.output<typeof accountSchema>;

export const accountsSchema = z.object({ items: z.array(accountSchema) });
export const idSchema = z.strictObject({ id: z.uuid() });

export const setupSchema = z.strictObject({ name: newAccountName });
export const createAccountSchema = z.strictObject({ name: newAccountName, role });
export const updateAccountSchema = z
  .strictObject({ role: role.optional(), enabled: z.boolean().optional() })
  .refine((value) => Object.keys(value).length > 0, "name role or enabled");
export const emptySchema = z.strictObject({});

/** Shown once: the password is stored as a hash only. */
export const accountWithPasswordSchema = z.object({
  account: accountSchema,
  password: z.string().nullable().meta({
    description: "Shown now and never again; null if the request was repeated after it was changed",
  }),
});

export const signInSchema = z.strictObject({ name: line(100), password: anyPassword });
export const changePasswordSchema = z.strictObject({ currentPassword: anyPassword, newPassword });
export const sessionSchema = z.object({
  account: z.object({ id: z.uuid(), name: z.string(), role }),
  csrfToken: z.string().meta({ description: "Send it as X-CSRF-Token with every change" }),
  expiresAt: z.iso.datetime(),
});

export const tokenSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable(),
  })
  .meta({ id: "Token" });
export type Token = z.output<typeof tokenSchema>;
export const tokensSchema = z.object({
  items: z.array(tokenSchema),
  next: z.string().nullable().meta({ description: "`after` of the next page; null on the last one" }),
});
/** Where a page ends: when its last token was made, to the microsecond, and its id. */
const tokenPlace = cursor(z.tuple([z.iso.datetime(), z.uuid()]));
export type TokenPlace = z.output<typeof tokenPlace.schema>;
export const encodeTokenPlace = tokenPlace.encode;
export const tokenQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  after: tokenPlace.text.optional(),
});
export const createTokenSchema = z.strictObject({
  name: line(200),
  expiresInDays: z.number().int().min(1).max(3650).nullable().default(365),
});
export const createdTokenSchema = tokenSchema.extend({
  token: z.string().nullable().meta({ description: "Shown now and never again" }),
});
