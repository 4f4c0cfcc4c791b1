import type { Judgement } from "./rules.ts";

/** Since when each rule has been saying the same; milliseconds by any clock that does not jump. */
export type Steadiness = ReadonlyMap<string, { readonly holds: boolean; readonly since: number }>;

/** Takes note of judgements. What is not known now leaves what was known as it is; what is not asked any more is forgotten. */
export function observeSteadiness(
  before: Steadiness,
  judgements: readonly Judgement[],
  now: number,
): Steadiness {
  return new Map(
    judgements.flatMap(({ key, holds }) => {
      const known = before.get(key);
      if (holds === null) return known === undefined ? [] : [[key, known] as const];
      return [[key, known?.holds === holds ? known : { holds, since: now }] as const];
    }),
  );
}
