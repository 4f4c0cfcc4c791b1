import { randomUUID } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { tokenHash } from "../accounts/generated.ts";
import {
  createdTokenSchema,
  createTokenSchema,
  encodeTokenPlace,
  idSchema,
  tokenQuerySchema,
  tokenSchema,
  tokensSchema,
} from "../accounts/schema.ts";
import { deleteToken, findTokenAccount, insertToken, listTokens } from "../accounts/store.ts";
import { actorOf } from "./authentication.ts";
import type { Operations } from "./operation.ts";
import { HttpProblem } from "./problem.ts";
import type { Services } from "./services.ts";
import { from, idempotencyKey, writeOnce } from "./writing.ts";

const own = { access: "signed-in", needsVault: true } as const;

/** Tokens for programs: each account has its own, with the account's role. */
export function tokenOperations(api: Operations, services: () => Services): void {
  api.add({
    ...own,
    method: "POST",
    path: "/api/tokens",
    id: "createToken",
    audit: { kind: "user", operation: "token.create" },
    summary: "Make a token for a program, with the role of the own account; shown once",
    writes: true,
    body: createTokenSchema,
    answers: { 201: { description: "The token", schema: createdTokenSchema } },
    problems: [409],
    handle: async ({ body, request, reply }) => {
      const { generator, reader } = services();
      const account = accountOf(request);
      const actor = actorOf(request).id;
      const key = idempotencyKey(request, reply);
      const id = randomUUID();
      const result = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "POST /api/tokens",
          details: { name: body.name },
          input: body,
          key,
          work: async (client) => {
            const hash = tokenHash(generator.token(id, actor, key));
            const { name, expiresInDays: days } = body;
            return { status: 201, body: await insertToken(client, { id, account, name, hash, days }) };
          },
        },
      );
      const made = tokenSchema.parse(result.body);
      const token = generator.token(made.id, actor, key);
      const { value: owner } = result.replayed
        ? await reader.run((client) => findTokenAccount(client, tokenHash(token)))
        : { value: account };
      return reply.code(201).send({ ...made, token: owner === null ? null : token });
    },
  });

  api.add({
    ...own,
    method: "GET",
    path: "/api/tokens",
    id: "listTokens",
    summary: "The own account's tokens, the oldest first",
    query: tokenQuerySchema,
    answers: { 200: { description: "Without what makes them valid", schema: tokensSchema } },
    problems: [409],
    handle: async ({ query: { limit, after }, request, reply }) => {
      const account = accountOf(request);
      const { value, database } = await services().reader.run((client) =>
        listTokens(client, account, limit, after),
      );
      const { items, next } = value;
      return from(reply, database).send({ items, next: next === null ? null : encodeTokenPlace(next) });
    },
  });

  api.add({
    ...own,
    method: "DELETE",
    path: "/api/tokens/{id}",
    id: "deleteToken",
    audit: { kind: "user", operation: "token.delete" },
    summary: "Withdraw a token of the own account",
    writes: true,
    params: idSchema,
    answers: { 200: { description: "What it was", schema: tokenSchema } },
    problems: [409],
    handle: async ({ params: { id }, request, reply }) => {
      const account = accountOf(request);
      const { body } = await writeOnce(
        services(),
        { request, reply },
        {
          operation: "DELETE /api/tokens",
          object: id,
          input: { id },
          key: idempotencyKey(request, reply),
          work: async (client) => {
            const token = await deleteToken(client, id, account);
            if (token === null) throw new HttpProblem("not-found", 404, `The account has no token ${id}.`);
            return { status: 200, body: token };
          },
        },
      );
      services().directory.forget();
      return reply.send(body);
    },
  });
}

function accountOf(request: FastifyRequest): string {
  const { accountId } = actorOf(request);
  if (accountId === null) {
    throw new HttpProblem(
      "no-session",
      409,
      "The deployment's own token belongs to no account; sign in as one to make tokens.",
    );
  }
  return accountId;
}
