import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Permission } from "../accounts/roles.ts";
import type { App } from "./app.ts";
import type { Audited } from "./auditing.ts";
import { validate } from "./validate.ts";

/** Who may call an operation. */
export type Access = "anyone" | "signed-in" | Permission;

/** One answer of an operation that is no problem. */
export interface OperationAnswer {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** @default application/json */
  readonly contentType?: string;
}

/** An operation's input, validated. */
export interface Call<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> {
  readonly params: z.output<P>;
  readonly query: z.output<Q>;
  readonly body: z.output<B>;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** One operation of the API: what it takes and gives, in the schemas that also validate, and what it does. */
export interface Operation<
  P extends z.ZodObject = z.ZodObject,
  Q extends z.ZodObject = z.ZodObject,
  B extends z.ZodType = z.ZodType,
> {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** As OpenAPI writes it: `/api/resources/{id}`. */
  readonly path: string;
  /** Unique, for programs that are generated from the document. */
  readonly id: string;
  readonly summary: string;
  readonly access: Access;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** It changes something: takes an `Idempotency-Key`, needs a writable database. */
  readonly writes?: boolean;
  /** How it is named in the audit; what has none leaves no event. */
  readonly audit?: Audited;
  /** It needs the vault's tables and the right key: 503 until both have been found. */
  readonly needsVault?: boolean;
  /** Of an answer that goes on: how long it may take. */
  readonly longestSeconds?: number;
  /** By status. */
  readonly answers: Readonly<Record<number, OperationAnswer>>;
  /** Statuses of the problems that are this operation's own, beside those that any may answer. */
  readonly problems?: readonly number[];
  readonly handle: (call: Call<P, Q, B>) => FastifyReply | Promise<FastifyReply>;
}

const nothing = z.object({});

/** Registers operations as routes and remembers them, so that the document can be made of what is served. */
export class Operations {
  readonly #app: App;
  readonly #all: Operation[] = [];

  constructor(app: App) {
    this.#app = app;
  }

  /** Every operation that has been added. */
  get all(): readonly Operation[] {
    return this.#all;
  }

  add<
    P extends z.ZodObject = typeof nothing,
    Q extends z.ZodObject = typeof nothing,
    B extends z.ZodType = typeof nothing,
  >(operation: Operation<P, Q, B>): void {
    const { method, path, access, needsVault = false, longestSeconds, handle } = operation;
    this.#all.push(operation as unknown as Operation);
    this.#app.route({
      method,
      url: path.replace(/\{(\w+)\}/g, ":$1"),
      config: { access, needsVault, ...(operation.audit === undefined ? {} : { audit: operation.audit }) },
      ...(longestSeconds === undefined ? {} : { handlerTimeout: longestSeconds * 1000 }),
      handler: async (request, reply) => {
        // By itself a connection on which nothing moves ends earlier.
        if (longestSeconds !== undefined) request.raw.socket.setTimeout((longestSeconds + 5) * 1000);
        return handle({
          params: validate(operation.params ?? nothing, request.params) as z.output<P>,
          query: validate(operation.query ?? nothing, request.query) as z.output<Q>,
          body: (operation.body === undefined ? {} : validate(operation.body, request.body)) as z.output<B>,
          request,
          reply,
        });
      },
    });
  }
}

declare module "fastify" {
  interface FastifyContextConfig {
    access?: Access;
    needsVault?: boolean;
    audit?: Audited;
  }
}
