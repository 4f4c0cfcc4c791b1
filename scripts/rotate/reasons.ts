import { isDeepStrictEqual } from "node:util";
import { settingChanges } from "../../core/preview/settingChanges.ts";
import type { Rotatable } from "../../core/rotation.ts";
import type { Settings } from "../../core/settings.ts";
import { judge } from "../../core/status.ts";
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
  const [others, status] = await Promise.all([
    // One that was begun is itself such a change.
    isDeepStrictEqual(stack.settings.credentials, wanted.credentials) ? otherChanges(stack.name) : [],
    isForced ? null : judged(stack),
  ]);
  return status === null || status.verdict === "ok"
    ? others
    : [
        ...others,
        `stack ${stack.name} is ${status.verdict}. ${status.summary} See "npm run status"; --force goes on all the same`,
      ];
}

async function judged({ topology, access }: DeployedStack) {
  return judge(topology, await observe(topology, access));
}

/** What an `up` would change before any generation is another. */
async function otherChanges(stack: string): Promise<readonly string[]> {
  const { verdict, changes, refused, errors } = await previewImpact(stack);
  if (verdict === "no change") return [];
  const names = changes.map(({ name, action }) => `${name} is ${action}`);
  const what = [...refused, ...errors, ...names].slice(0, namedAtMost).join(", ");
  return [`an up would do more than this (${what}). Apply that first: npm run up`];
}
