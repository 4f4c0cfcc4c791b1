import { nextSteps, placeholderId } from "../../core/nextSteps.ts";
import { type DatabaseObservation, known, type Observation, unknown } from "../../core/observation.ts";
import { outlookOn } from "../../core/transition/outlook.ts";
import { describeStep, type TransitionName } from "../../core/transition/step.ts";
import type { Declared, Verdict } from "../../core/verdict.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import type { OverviewInput } from "./input.ts";
import type { Overview, Preflight } from "./schema.ts";

/** What a person does next, each transition with what the planner says of it now. Pure. */
export function nextOf(input: OverviewInput, declared: Declared, verdict: Verdict): Overview["next"] {
  const next = nextSteps(declared, verdict, input.cluster.choice.writable);
  if (next === null) return null;
  const steps = next.steps.map(({ text, commands, transition }) => ({
    text,
    commands: [...commands],
    preflight: transition === undefined ? null : preflightOf(input, transition),
  }));
  return { avoid: [...next.avoid], steps };
}

/** The verdict on a transition that somebody would ask for now, without any override. */
function preflightOf(input: OverviewInput, transition: TransitionName): Preflight {
  const observation = observationOf(input);
  const goal = {
    transition,
    transitionId: placeholderId,
    allowDataLoss: false,
    primaryIsDown: false,
    keepDiverged: true,
    readUnsentWal: true,
  };
  const { verdict, plan, unseen } = outlookOn(observation, goal, input.deployment.synchronous);
  return {
    transition,
    verdict,
    observedAt: observation.observedAt,
    steps: verdict === "can run" ? plan.steps.map(describeStep) : [],
    refused: plan.refused.map(({ reason, remedy }) => ({ reason, remedy })),
    warnings: [...plan.warnings],
    unseen: [...unseen],
  };
}

/** What this server has seen, as the planner takes it. Of containers and what lies in them it sees nothing. */
function observationOf(input: OverviewInput): Observation {
  const databases = input.deployment.databases.map(({ name }) => databaseOf(input, name));
  return {
    observedAt: databases.map(({ observedAt }) => observedAt).sort()[0] ?? new Date(input.now).toISOString(),
    databases,
    servers: [],
    applications: [],
    gateway: unknown("no plan rests on it"),
    networks: [],
    certificates: [],
    backup: null,
  };
}

function databaseOf({ cluster, details, now }: OverviewInput, name: DatabaseName): DatabaseObservation {
  const view = cluster.views.find((candidate) => candidate.name === name);
  const detail = details.get(name);
  const hidden = unknown<never>("only its engine tells");
  const common = {
    name,
    container: hidden,
    nodeState: hidden,
    stop: hidden,
    keptData: hidden,
    overrides: hidden,
  };
  const nothing = (reason: string): DatabaseObservation => ({
    ...common,
    observedAt: new Date(view?.observedAt ?? now).toISOString(),
    intent: unknown(reason),
    postgres: unknown(reason),
  });
  if (!view?.reachable || view.timeline === null || view.systemId === null)
    return nothing(`this server does not reach it: ${view?.problem ?? "not looked at yet"}`);
  // One look before the other: a detail from before a change of role tells nothing of now.
  if (detail === undefined || detail.inRecovery !== view.inRecovery)
    return nothing("this server has not looked closely since it changed");
  if (detail.senders === null) return nothing("this server may not ask who follows it");
  const { inRecovery, lsn, receivedLsn, replayPaused, streaming, synchronous, waitingCommits } = detail;
  const { startedAt, version, slots, logicalSlots, intent, transition, senders } = detail;
  return {
    ...common,
    observedAt: new Date(Math.min(view.observedAt ?? now, detail.observedAt)).toISOString(),
    intent,
    postgres: known({
      ...{ systemId: view.systemId, timeline: view.timeline, inRecovery, lsn, receivedLsn, replayPaused },
      ...{ streaming, synchronous, waitingCommits, startedAt, version, slots, logicalSlots, transition },
      // Of no use without the deployment's word what the present one is, which no server has.
      synchronousEra: null,
      senders: senders.map(({ name: applicationName, state, syncState }) => ({
        ...{ applicationName, state, syncState, replayLsn: null, lagSeconds: null, encrypted: true },
      })),
    }),
  };
}
