import { isDeepStrictEqual } from "node:util";
import { settingChanges } from "../../core/preview/settingChanges.ts";
import { orderProblems, type Rotatable } from "../../core/rotation.ts";
import { findingsAgainst } from "../../core/rotationFindings.ts";
import type { Settings } from "../../core/settings.ts";
import { type Finding, judge } from "../../core/status.ts";
import type { DeployedStack } from "../cli/pulumi.ts";
import { observe } from "../observe/index.ts";
import { previewImpact } from "../preview/impact.ts";

/** So many changes are named. */
const namedAtMost = 5;

/**
 * Why a rotation must not begin now. An `up` applies whatever is new in config and program: what is not of this
 * rotation is to be reviewed and applied by itself.
 */
export async function reasonsAgainst(
  kinds: readonly Rotatable[],
  stack: DeployedStack,
  wanted: Settings,
  isForced: boolean,
): Promise<readonly string[]> {
  const applied = {
    ...stack.settings.credentials,
    ...Object.fromEntries(kinds.map((kind) => [kind, wanted.credentials[kind]])),
  };
  const settings = settingChanges({ ...stack.settings, credentials: applied }, wanted);
  if (settings.length > 0) {
    const texts = settings.map(({ key, before, after }) => `${key}: ${before} → ${after}`);
    return [
      `the config has other changes that are not applied (${texts.join(", ")}). Apply them first: npm run up`,
    ];
  }
  const [others, wrong] = await Promise.all([
    // One that was begun is itself such a change.
    isDeepStrictEqual(stack.settings.credentials, wanted.credentials) ? otherChanges(stack.name) : [],
    isForced ? [] : whatIsWrong(kinds, stack),
  ]);
  const order = orderProblems(stack.settings.credentials, wanted.credentials);
  if (wrong.length === 0) return [...order, ...others];
  const texts = wrong.slice(0, namedAtMost).map(({ subject, problem }) => `${subject} ${problem}`);
  return [
    ...order,
    ...others,
    `stack ${stack.name} is not as declared (${texts.join(", ")}). See "npm run status"; --force goes on all the same`,
  ];
}

/** What is not as declared, but for what the rotation itself sets right. */
export async function whatIsWrong(
  kinds: readonly Rotatable[],
  { topology, access }: DeployedStack,
): Promise<readonly Finding[]> {
  const observation = await observe(topology, access);
  return findingsAgainst(kinds, judge(topology, observation).findings, observation);
}

/** What an `up` would change before any generation is another. */
async function otherChanges(stack: string): Promise<readonly string[]> {
  const { verdict, changes, refused, errors } = await previewImpact(stack);
  if (verdict === "no change") return [];
  const names = changes.map(({ name, action }) => `${name} is ${action}`);
  const what = [...refused, ...errors, ...names].slice(0, namedAtMost).join(", ");
  return [`an up would do more than this (${what}). Apply that first: npm run up`];
}
