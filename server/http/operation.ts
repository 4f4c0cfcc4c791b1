import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Permission } from "../accounts/roles.ts";
import type { App } from "./app.ts";
import type { Audited } from "./auditing.ts";
import { HttpProblem } from "./problem.ts";
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
  /** Of an answer that goes on: how long it may take. There is no HEAD of it, for which all of it would be made and thrown away. */
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
  readonly #limitSeconds: () => number;
  readonly #all: Operation[] = [];

  /** @param limitSeconds after which an operation is given up now, unless it says how long it may take */
  constructor(app: App, limitSeconds: () => number) {
    this.#app = app;
    this.#limitSeconds = limitSeconds;
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
    const { method, path, access, needsVault = false, longestSeconds, handle, writes = false } = operation;
    this.#all.push(operation as unknown as Operation);
    this.#app.route({
      method,
      url: path.replace(/\{(\w+)\}/g, ":$1"),
      config: {
        ...{ access, needsVault },
        ...(operation.audit === undefined ? {} : { audit: operation.audit }),
        ...(longestSeconds === undefined ? {} : { longestSeconds }),
      },
      ...(longestSeconds === undefined ? {} : { exposeHeadRoute: false }),
      handler: (request, reply) => {
        const call = {
          params: validate(operation.params ?? nothing, request.params) as z.output<P>,
          query: validate(operation.query ?? nothing, request.query) as z.output<Q>,
          body: (operation.body === undefined ? {} : validate(operation.body, request.body)) as z.output<B>,
          request,
          reply,
        };
        if (longestSeconds === undefined)
          return within(this.#limitSeconds(), writes, async () => handle(call));
        return handle(call);
      },
    });
  }
}

/**
 * The answer of `work`, given up after a time.
 *
 * @throws HttpProblem 503, which says of a write that it may have been done: it goes on
 */
async function within<T>(seconds: number, isWrite: boolean, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const unknown =
        " The write may have been done: send it again with the same Idempotency-Key to learn which.";
      const detail = `The request was given up after its time limit.${isWrite ? unknown : ""}`;
      const more = { retryAfterSeconds: 2, ...(isWrite ? { outcomeUnknown: true } : {}) };
      reject(new HttpProblem("time-limit", 503, detail, more));
    }, seconds * 1000);
  });
  try {
    return await Promise.race([work(), limit]);
  } finally {
    clearTimeout(timer);
  }
}

declare module "fastify" {
  interface FastifyContextConfig {
    access?: Access;
    needsVault?: boolean;
    audit?: Audited;
    longestSeconds?: number;
  }
}
