import { randomUUID } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { hashPassword, verifyPassword } from "../accounts/passwords.ts";
import type { Role } from "../accounts/roles.ts";
import {
  accountSchema,
  accountsSchema,
  accountWithPasswordSchema,
  changePasswordSchema,
  createAccountSchema,
  idSchema,
  setupSchema,
  updateAccountSchema,
} from "../accounts/schema.ts";
import {
  claimSetup,
  deleteAccount,
  findCredential,
  insertAccount,
  listAccounts,
  setPassword,
  updateAccount,
} from "../accounts/store.ts";
import type { App } from "./app.ts";
import { recordIfPossible, subjectOf } from "./auditing.ts";
import { actorOf } from "./authentication.ts";
import type { Operations } from "./operation.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";
import { replaceSession, sessionOf } from "./sessionRoutes.ts";
import { from, idempotencyKey, writeOnce } from "./writing.ts";

/** Attempts to change one's own password within the window, right ones too: whoever has taken a session over must not guess on. */
const attempts = { max: 10, timeWindow: 60_000 } as const;

const passwordAudit = { kind: "user", operation: "account.change-password" } as const;
const manage = { access: "accounts.manage", needsVault: true } as const;

/** Accounts: managed by administrators; everybody changes the own password. */
export function accountOperations(app: App, api: Operations, services: () => Services): void {
  const countAttempt = app.createRateLimit({
    ...attempts,
    keyGenerator: (request) => actorOf(request).accountId ?? "",
  });

  api.add({
    method: "POST",
    path: "/api/setup",
    id: "setup",
    audit: { kind: "user", operation: "account.create" },
    summary: "Create the first administrator, once; only with the deployment's own token",
    access: "signed-in",
    needsVault: true,
    writes: true,
    body: setupSchema,
    answers: { 201: { description: "Account and password", schema: accountWithPasswordSchema } },
    problems: [403, 409],
    handle: async ({ body, request, reply }) => {
      if (actorOf(request).authentication !== "deployment-token") {
        throw new HttpProblem("not-allowed", 403, "Only the deployment's own token may do this.");
      }
      return create(request, reply, services(), { ...body, role: "administrator", isFirst: true });
    },
  });

  api.add({
    ...manage,
    method: "POST",
    path: "/api/accounts",
    id: "createAccount",
    audit: { kind: "user", operation: "account.create" },
    summary: "Create an account; its password is made and shown once",
    writes: true,
    body: createAccountSchema,
    answers: { 201: { description: "Account and password", schema: accountWithPasswordSchema } },
    problems: [409],
    handle: ({ body, request, reply }) => create(request, reply, services(), { ...body, isFirst: false }),
  });

  api.add({
    ...manage,
    method: "GET",
    path: "/api/accounts",
    id: "listAccounts",
    audit: { kind: "user", operation: "account.list" },
    summary: "All accounts",
    answers: { 200: { description: "In order of names", schema: accountsSchema } },
    handle: async ({ reply }) => {
      const { value, database } = await services().reader.run(listAccounts);
      return from(reply, database).send({ items: value });
    },
  });

  api.add({
    ...manage,
    method: "PATCH",
    path: "/api/accounts/{id}",
    id: "updateAccount",
    audit: { kind: "user", operation: "account.update" },
    summary: "Change role or state; the account's sessions end",
    writes: true,
    params: idSchema,
    body: updateAccountSchema,
    answers: { 200: { description: "The account", schema: accountSchema } },
    handle: async ({ params, body, request, reply }) => {
      const { status, body: account } = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "PATCH /api/accounts",
          object: params.id,
          details: body,
          input: { ...params, ...body },
          key: idempotencyKey(request, reply),
          work: async (client) => ({
            status: 200,
            body: (await updateAccount(client, params.id, body)) ?? notFound(params.id),
          }),
        },
      );
      services().directory.forget();
      return reply.code(status).send(account);
    },
  });

  api.add({
    ...manage,
    method: "DELETE",
    path: "/api/accounts/{id}",
    id: "deleteAccount",
    audit: { kind: "user", operation: "account.delete" },
    summary: "Delete an account with its tokens",
    writes: true,
    params: idSchema,
    answers: { 200: { description: "What it was", schema: accountSchema } },
    handle: async ({ params: { id }, request, reply }) => {
      const { status, body } = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "DELETE /api/accounts",
          object: id,
          input: { id },
          key: idempotencyKey(request, reply),
          work: async (client) => ({
            status: 200,
            body: (await deleteAccount(client, id)) ?? notFound(id),
          }),
        },
      );
      services().directory.forget();
      return reply.code(status).send(body);
    },
  });

  api.add({
    ...manage,
    method: "POST",
    path: "/api/accounts/{id}/password",
    id: "resetPassword",
    audit: { kind: "user", operation: "account.reset-password" },
    summary: "Give an account a new password, made and shown once; its sessions end",
    writes: true,
    params: idSchema,
    answers: { 200: { description: "Account and password", schema: accountWithPasswordSchema } },
    handle: async ({ params: { id }, request, reply }) => {
      const key = idempotencyKey(request, reply);
      const password = services().generator.password(id, actorOf(request).id, key);
      const hash = await hashPassword(password);
      const result = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "POST /api/accounts/password",
          object: id,
          input: { id },
          key,
          work: async (client) => ({
            status: 200,
            body: (await setPassword(client, id, hash)) ?? notFound(id),
          }),
        },
      );
      services().directory.forget();
      const shown = result.replayed && !(await isPassword(services(), id, password)) ? null : password;
      return reply.code(200).send({ account: result.body, password: shown });
    },
  });

  api.add({
    method: "PUT",
    path: "/api/account/password",
    id: "changePassword",
    audit: passwordAudit,
    summary: "Change the own password; all other sessions end",
    access: "signed-in",
    needsVault: true,
    writes: true,
    body: changePasswordSchema,
    answers: { 200: { description: "The account", schema: accountSchema } },
    problems: [403, 409, 429],
    handle: async ({ body, request, reply }) => {
      const actor = actorOf(request);
      const id = actor.accountId;
      if (id === null) {
        throw new HttpProblem("no-session", 409, "The deployment's own token belongs to no account.");
      }
      const limit = await countAttempt(request);
      if (!limit.isAllowed && limit.isExceeded) {
        const text = "Too many attempts to change the password of this account. Wait, then try again.";
        throw new HttpProblem("too-many-password-attempts", 429, text, {
          retryAfterSeconds: limit.ttlInSeconds,
        });
      }
      const session = actor.authentication === "session" ? sessionOf(request, services()) : null;
      const key = idempotencyKey(request, reply);
      // A repeated request comes after the change: then the new password is the current one.
      const current = [body.currentPassword, body.newPassword];
      if (!(await isPassword(services(), id, ...current))) {
        await recordIfPossible(
          services(),
          subjectOf(request, actor, passwordAudit, { object: id }),
          "denied",
        );
        throw new HttpProblem("wrong-password", 403, "The current password is another one.");
      }
      const hash = await hashPassword(body.newPassword);
      const result = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "PUT /api/account/password",
          object: id,
          input: body,
          key,
          work: async (client) => ({
            status: 200,
            body: (await setPassword(client, id, hash)) ?? notFound(id),
          }),
        },
      );
      services().directory.forget();
      if (session !== null) {
        const { value } = await services().reader.run((client) => findCredential(client, { id }));
        if (value !== null) replaceSession(reply, session, value.epoch, services());
      }
      return reply.send(result.body);
    },
  });
}

async function create(
  request: FastifyRequest,
  reply: FastifyReply,
  services: Services,
  input: { readonly name: string; readonly role: Role; readonly isFirst: boolean },
): Promise<FastifyReply> {
  const { generator } = services;
  const { name, role, isFirst } = input;
  const key = idempotencyKey(request, reply);
  const actor = actorOf(request).id;
  const id = randomUUID();
  const passwordHash = await hashPassword(generator.password(id, actor, key));
  const result = await writeOnce(
    services,
    { request, reply },
    {
      details: { name, role },
      operation: isFirst ? "POST /api/setup" : "POST /api/accounts",
      input: { name, role },
      key,
      work: async (client) => {
        if (isFirst && !(await claimSetup(client, id))) {
          throw new HttpProblem("conflict", 409, "The first administrator was created before.");
        }
        const account = await insertAccount(client, { id, name, role, passwordHash });
        if (account === null) {
          throw new HttpProblem("conflict", 409, `There is an account named ${name} already.`);
        }
        return { status: 201, body: account };
      },
    },
  );
  const account = accountSchema.parse(result.body);
  const password = generator.password(account.id, actor, key);
  const shown = result.replayed && !(await isPassword(services, account.id, password)) ? null : password;
  return reply.code(201).header("location", `/api/accounts/${account.id}`).send({ account, password: shown });
}

/** True if one of these is the account's password now. */
async function isPassword(services: Services, id: string, ...passwords: readonly string[]): Promise<boolean> {
  const { value } = await services.reader.run((client) => findCredential(client, { id }));
  for (const password of passwords) {
    if (await verifyPassword(password, value?.passwordHash ?? null)) return true;
  }
  return false;
}

function notFound(id: string): never {
  throw new HttpProblem("not-found", 404, `There is no account ${id}.`);
}
