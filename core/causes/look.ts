import type { Look } from "./types.ts";

const kinds: readonly (readonly [Look, RegExp])[] = [
  ["unasked", /^not (asked|observed) yet$/],
  ["starting", /the database system is (starting up|shutting down|not yet accepting|in recovery mode)/],
  ["refused", /ECONNREFUSED/],
  ["unnamed", /ENOTFOUND|EAI_AGAIN|no address/],
  [
    "silent",
    /no answer within|time-?out|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ECONNRESET|EPIPE|socket hang up|terminated/i,
  ],
];

/** What a failed question says of the one that was asked. What is none of the known kinds is an answer of somebody. */
export function lookOf(problem: string | null): Look {
  if (problem === null) return "answered";
  return kinds.find(([, pattern]) => pattern.test(problem))?.[0] ?? "odd";
}
