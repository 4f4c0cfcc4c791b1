import { isDeepStrictEqual } from "node:util";
import { type AllGenerations, type Generations, rotatable } from "../../core/rotation.ts";

/** Keys of a stack's config with their namespace. */
export type StackConfig = Readonly<Record<string, unknown>>;

const key = "pg-continuity:credentials";

/**
 * The config with which a deployment is handed out again: as it was made, but for the generations of its credentials,
 * which only count upwards. One that is only announced is taken back.
 *
 * @param applied generations as the last `up` has left them
 */
export function handOutConfig(made: StackConfig, applied: AllGenerations): StackConfig {
  const generations = Object.fromEntries(rotatable.map((kind) => [kind, takenBack(applied[kind])]));
  const isFirst = Object.values(generations).every((all) => all.join() === "1");
  const { [key]: _credentials, ...others } = made;
  return isFirst ? others : { ...others, [key]: generations };
}

/** Whether two configs say the same, whatever the order of their keys; a kind of credential that is not named is the first. */
export function isSameConfig(one: StackConfig, other: StackConfig): boolean {
  return isDeepStrictEqual(withAllCredentials(one), withAllCredentials(other));
}

function withAllCredentials(config: StackConfig): StackConfig {
  const first = Object.fromEntries(rotatable.map((kind) => [kind, [1]]));
  return { ...config, [key]: { ...first, ...(config[key] as Partial<AllGenerations> | undefined) } };
}

function takenBack([used, other]: Generations): readonly number[] {
  return other === undefined || other > used ? [used] : [used, other];
}
