import type { Accepted } from "./credentials.ts";

/** What `npm run rotate` replaces. */
export const rotatable = ["passwords", "certificates", "key", "token"] as const;
export type Rotatable = (typeof rotatable)[number];

/** The generations of a kind of credential that are accepted; the first is the one in use. */
export type Generations = Accepted<number>;

/** What becomes of the generations in one step, for people. */
export type RotationMeaning = "announced" | "in use" | "retired";

/** One `pulumi up` of a rotation. */
export interface RotationStep {
  readonly generations: Generations;
  readonly meaning: RotationMeaning;
}

/**
 * The steps of a rotation, in an order in which whatever is in use at a moment is accepted everywhere: the new
 * generation is accepted before anybody uses it, and the old one until nobody does. One that was interrupted is
 * finished instead of begun anew.
 *
 * @param applied as the last `pulumi up` that came to its end has left them
 * @param wanted as the config has them
 */
export function planRotation(applied: Generations, wanted: Generations): readonly RotationStep[] {
  const isPending = applied.join() !== wanted.join();
  if (!isPending && wanted[1] === undefined)
    return [
      { generations: [wanted[0], wanted[0] + 1], meaning: "announced" },
      ...rest([wanted[0], wanted[0] + 1]),
    ];
  const first = isPending ? [{ generations: wanted, meaning: meaningOf(wanted) }] : [];
  return [...first, ...rest(wanted)];
}

/** The generations of every kind. */
export type AllGenerations = Readonly<Record<Rotatable, Generations>>;

/** What becomes of one kind in one step. */
export interface RotationChange extends RotationStep {
  readonly kind: Rotatable;
}

/** Several kinds in the same steps: what each step of a kind needs, it has of its own kind. */
export function planRotations(
  kinds: readonly Rotatable[],
  applied: AllGenerations,
  wanted: AllGenerations,
): readonly (readonly RotationChange[])[] {
  const plans = kinds.map((kind) =>
    planRotation(applied[kind], wanted[kind]).map((step) => ({ kind, ...step })),
  );
  const length = Math.max(0, ...plans.map((plan) => plan.length));
  return Array.from({ length }, (_, index) => plans.flatMap((plan) => plan[index] ?? []));
}

/** What is left to do once these are applied. */
function rest([used, other]: Generations): readonly RotationStep[] {
  if (other === undefined) return [];
  const newest = Math.max(used, other);
  const retired: RotationStep = { generations: [newest], meaning: "retired" };
  return used === newest ? [retired] : [{ generations: [other, used], meaning: "in use" }, retired];
}

function meaningOf([used, other]: Generations): RotationMeaning {
  if (other === undefined) return "retired";
  return other > used ? "announced" : "in use";
}

/** The reason why generations must not follow each other in one step; undefined where they may. */
export function orderProblem(kind: Rotatable, before: Generations, after: Generations): string | undefined {
  const reason = reasonAgainst(before, after);
  return (
    reason &&
    `${kind}: generation ${list(before)} must not be followed by ${list(after)}: ${reason}. Let "npm run rotate -- ${kind}" take the steps, or set credentials.${kind} as they are listed in docs/security.md.`
  );
}

/** The same for every kind. */
export function orderProblems(before: AllGenerations, after: AllGenerations): readonly string[] {
  return rotatable.flatMap((kind) => orderProblem(kind, before[kind], after[kind]) ?? []);
}

function reasonAgainst(before: Generations, after: Generations): string | undefined {
  const [was, is] = [before[0], after[0]];
  if (is < was) return "they only count upwards";
  if (!before.includes(is)) return `${is} would be used before every node accepts it`;
  if (!after.includes(was)) return `${was} would be refused while nodes still use it`;
  return undefined;
}

function list(generations: Generations): string {
  return `[${generations.join(", ")}]`;
}
