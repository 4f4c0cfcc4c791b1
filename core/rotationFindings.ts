import { isDeepStrictEqual } from "node:util";
import { certificateFindings, ownCertificate } from "./certificateFindings.ts";
import type { Observation } from "./observation.ts";
import { type AllGenerations, type Rotatable, rotatable } from "./rotation.ts";
import type { Finding } from "./status.ts";

/** Rotations that were left between their steps: two generations are accepted, as the last `pulumi up` has left them. */
export function rotationFindings(applied: AllGenerations): readonly Finding[] {
  return rotatable.flatMap((kind) => {
    const [used, other] = applied[kind];
    if (other === undefined) return [];
    const problem =
      other > used
        ? `is not finished: generation ${other} is announced, ${used} is still in use`
        : `is not finished: generation ${used} is in use, ${other} is still accepted`;
    return [{ subject: `rotation of ${kind}`, problem, remedy: `Finish it: npm run rotate -- ${kind}` }];
  });
}

/**
 * The findings that keep a rotation from beginning or from going on: all but the stack's own certificates that soon end,
 * where these are what is replaced. Those that have ended are among them: without TLS nobody can say what else is wrong.
 */
export function findingsAgainst(
  kinds: readonly Rotatable[],
  findings: readonly Finding[],
  observation: Observation,
): readonly Finding[] {
  if (!kinds.includes("certificates")) return findings;
  const { observedAt, certificates } = observation;
  const accepted = certificates.filter(
    ({ of, seen }) =>
      of !== ownCertificate &&
      seen.known &&
      seen.value.problem === null &&
      Date.parse(seen.value.expiresAt) > Date.parse(observedAt),
  );
  const replaced = certificateFindings({ ...observation, certificates: accepted });
  return findings.filter((finding) => !replaced.some((one) => isDeepStrictEqual(one, finding)));
}
