import { isRefusal } from "../problems.ts";
import type { Finding } from "../status.ts";
import { allContainers, type Topology } from "../topology.ts";
import { type Change, changesOf, movesToAnotherHost } from "./change.ts";
import { type Digest, saysWhyItFailed } from "./digest.ts";
import { type Effect, effectOf, type Risk, risks } from "./effect.ts";
import { cutsConnections, type Deployed, type Interruptions, interruptionsOf } from "./interruptions.ts";
import { orderOf, type ReplacementStep } from "./order.ts";

/** Version of the JSON that `npm run preview -- --json` prints (docs/ci.md). */
export const reportVersion = 1;

/** A setting that differs from what was applied last, as texts. */
export interface SettingChange {
  readonly key: string;
  readonly before: string;
  readonly after: string;
}

export interface ReportedChange extends Change {
  readonly effect: string;
  readonly risk: Risk;
}

/** What a change of the stack would do to people and data. */
export interface ImpactReport {
  readonly version: typeof reportVersion;
  readonly stack: string;
  readonly verdict: "no change" | "changes" | "refused" | "failed";
  readonly risk: Risk;
  /** Why it is that much, one sentence a reason. */
  readonly reasons: readonly string[];
  readonly settings: readonly SettingChange[];
  readonly changes: readonly ReportedChange[];
  /** The containers that are made anew, one after the other. */
  readonly order: readonly ReplacementStep[];
  readonly interruptions: Interruptions;
  /** What happens to data; empty where nothing does. */
  readonly data: readonly string[];
  /** The preflight of the transition that would run; null where none would. */
  readonly transition: string | null;
  readonly refused: readonly string[];
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  /** What is not as declared now. */
  readonly drift: readonly Finding[];
}

/** What a report is made from besides the preview itself. */
export interface ReportContext {
  readonly stack: string;
  /** Null where nothing is deployed. */
  readonly deployed: Deployed | null;
  /** As the config wants it; null where the config is wrong. */
  readonly wanted: Topology | null;
  readonly settings: readonly SettingChange[];
  /** What must not be applied, beside what the preview itself refuses: credentials out of their order, a name that is taken. */
  readonly refused: readonly string[];
  readonly drift: readonly Finding[];
}

interface Reason {
  readonly risk: Risk;
  readonly text: string;
}

/** Judges a preview. Pure. */
export function assess(digest: Digest, context: ReportContext): ImpactReport {
  const found = changesOf(digest);
  const nodes = new Set(context.wanted === null ? [] : allContainers(context.wanted).map(({ node }) => node));
  const judged = found.map((change) => ({
    change,
    effect: effectOf(change, {
      writable: context.deployed?.writable ?? "shared",
      stays: (node) => nodes.has(node),
      moves: (node) => movesToAnotherHost(node, found),
      cuts: (one) => cutsConnections(one, found, context.deployed),
      isFirst: context.deployed === null,
      givenUp: context.wanted?.givenUpVolume ?? "",
      becomesSynchronous: becomesSynchronous(context.settings),
    }),
  }));
  const interruptions = interruptionsOf(found, context.deployed);
  const transition = transitionText(digest, found);
  const said = errorsOf(digest);
  const refusals = said.filter(isRefusal);
  const refused = [
    ...context.refused,
    ...refusals,
    // What Pulumi refuses already is not said twice.
    ...judged.flatMap(({ change, effect }) =>
      effect.refused === undefined || refusals.some((text) => text.includes(`${change.name} would be`))
        ? []
        : [effect.refused],
    ),
  ];
  const errors = said.filter((text) => !isRefusal(text));
  const reasons = [
    ...refused.map(() => ({ risk: "high" as const, text: "it is refused, see below" })).slice(0, 1),
    ...(transition?.includes("WRITES MAY BE LOST")
      ? [{ risk: "high" as const, text: "acknowledged writes may be lost" }]
      : []),
    ...interruptionReasons(interruptions),
    ...effectReasons(judged, context.deployed === null),
  ];
  const risk = highest([...reasons.map((reason) => reason.risk), found.length > 0 ? "low" : "none"]);
  return {
    version: reportVersion,
    stack: context.stack,
    verdict: verdictOf(refused, errors, found),
    risk,
    reasons: reasonsFor(risk, reasons),
    settings: context.settings,
    changes: judged.map(({ change, effect }) => ({ ...change, effect: effect.text, risk: effect.risk })),
    order: orderOf(found, context.deployed),
    interruptions,
    data: judged.flatMap(({ effect }) => (effect.data === undefined ? [] : [effect.data])),
    transition,
    refused,
    errors,
    warnings: digest.diagnostics.flatMap(({ severity, text }) => (severity === "warning" ? [text] : [])),
    drift: context.drift,
  };
}

function becomesSynchronous(settings: readonly SettingChange[]): boolean | undefined {
  const change = settings.find(({ key }) => key === "synchronous");
  return change && change.after === "true";
}

function verdictOf(
  refused: readonly string[],
  errors: readonly string[],
  changes: readonly Change[],
): ImpactReport["verdict"] {
  if (refused.length > 0) return "refused";
  if (errors.length > 0) return "failed";
  return changes.length > 0 ? "changes" : "no change";
}

function errorsOf({ diagnostics }: Digest): readonly string[] {
  return diagnostics.filter(saysWhyItFailed).map(({ text }) => text);
}

/** What the program has said of the transition, where one would run. */
function transitionText({ diagnostics }: Digest, changes: readonly Change[]): string | null {
  if (!changes.some(({ kind, action }) => kind === "transition" && action !== "deleted")) return null;
  const texts = diagnostics.filter(({ type }) => type === "pg-continuity:index:Transition");
  return texts.length === 0 ? null : texts.map(({ text }) => text).join("\n");
}

function interruptionReasons({ writes, reads }: Interruptions): Reason[] {
  const reasons: Reason[] = [];
  for (const [what, { stops, seconds, because }] of [
    ["writes", writes],
    ["reads", reads],
  ] as const)
    if (stops)
      reasons.push({
        risk: seconds === null ? "high" : "medium",
        text: `${what} stop${seconds === null ? "" : ` for about ${seconds} s`}: ${because.join(", ")}`,
      });
  return reasons;
}

function effectReasons(
  judged: readonly { readonly change: Change; readonly effect: Effect }[],
  isFirst: boolean,
): Reason[] {
  // Before anything runs there is nobody whom a change could disturb.
  if (isFirst) return [];
  return judged.map(({ change, effect }) => ({
    risk: effect.risk,
    text: `${change.name} is ${change.action}: ${effect.data ?? effect.text}`,
  }));
}

function highest(all: readonly Risk[]): Risk {
  return risks[Math.max(0, ...all.map((risk) => risks.indexOf(risk)))] ?? "none";
}

function reasonsFor(risk: Risk, reasons: readonly Reason[]): readonly string[] {
  if (risk === "none") return [];
  if (risk === "low") return ["nothing stops, no data is touched"];
  return reasons.filter((reason) => reason.risk === risk).map(({ text }) => text);
}
