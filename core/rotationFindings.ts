import { type AllGenerations, rotatable } from "./rotation.ts";
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
