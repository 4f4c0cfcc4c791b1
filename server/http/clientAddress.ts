import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import { gatewayHeader } from "../../core/gatewayToken.ts";
import { matchesAny } from "../crypto/keys.ts";

/**
 * The address of the client: what the gateway says if the request comes from the stack's own gateway, else the other
 * end of the connection. Anybody may send `X-Forwarded-For`; only the gateway knows its token.
 */
export function clientAddress(request: FastifyRequest, gatewayTokens: readonly string[]): string {
  const token = request.headers[gatewayHeader];
  const forwarded = request.headers["x-forwarded-for"];
  if (typeof token !== "string" || typeof forwarded !== "string") return request.ip;
  const last = forwarded.split(",").at(-1)?.trim() ?? "";
  return isIP(last) !== 0 && matchesAny(token, gatewayTokens) ? last : request.ip;
}

const addresses = new WeakMap<FastifyRequest, string>();

/** Remembers the address, once for each request. */
export function rememberAddress(request: FastifyRequest, gatewayTokens: readonly string[]): void {
  addresses.set(request, clientAddress(request, gatewayTokens));
}

/** The client's address of a request whose address was remembered. */
export function addressOf(request: FastifyRequest): string {
  return addresses.get(request) ?? request.ip;
}
