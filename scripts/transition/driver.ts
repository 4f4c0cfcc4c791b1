import { setTimeout as sleep } from "node:timers/promises";
import type { Password } from "../../core/credentials.ts";
import type { Observation } from "../../core/observation.ts";
import type { Topology } from "../../core/topology.ts";
import { carryOver } from "../../core/transition/carryOver.ts";
import {
  databaseEvidence,
  type Evidence,
  evidenceVersion,
  type StepEvidence,
  verdictOf,
} from "../../core/transition/evidence.ts";
import { LossProof } from "../../core/transition/lossProof.ts";
import { plan } from "../../core/transition/plan.ts";
import type { Plan, Refusal } from "../../core/transition/planTypes.ts";
import { asExpected } from "../../core/transition/rejoin.ts";
import { describeStep, type Goal, otherOf, type Step, targetOf } from "../../core/transition/step.ts";
import { movingDatabases, viewOf } from "../../core/transition/view.ts";
import { messageOf } from "../observe/container.ts";
import { GivenIntents } from "../observe/givenIntents.ts";
import { type ConnectionTo, type Look, type ObserverAccess, observe } from "../observe/index.ts";
import { Silence } from "../observe/silence.ts";
import { act } from "./actions.ts";
import { standbyConnection } from "./awaitStreaming.ts";
import type { ActionContext, ActionDetails } from "./context.ts";
import { actor, TransitionLock } from "./lock.ts";
import { pauseAt } from "./pauseAt.ts";
import { rejoinOf } from "./rejoinFile.ts";
import { EarlyTakeOver } from "./takeOver.ts";
import { EarlyUnsentWal } from "./unsentWal.ts";

/** A transition that must not run: why, and what a person can do. Nothing was changed. */
export class RefusedError extends Error {
  readonly refused: readonly Refusal[];

  constructor(transition: string, refused: readonly Refusal[]) {
    super(refused.map(({ reason, remedy }) => `${transition}: refused, ${reason}. ${remedy}`).join("\n"));
    this.name = "RefusedError";
    this.refused = refused;
  }
}

/** What a transition runs with. */
export interface TransitionRun {
  readonly topology: Topology;
  readonly goal: Goal;
  readonly observer: ObserverAccess;
  readonly operatorPassword: Password;
  /** The commit that the program was run from; null where it is not known. */
  readonly commit: string | null;
  readonly progress: (text: string) => void;
  /** Called with the evidence before the transition's own result is given, also when it failed. */
  readonly keep: (evidence: Evidence, context: ActionContext) => Promise<void>;
}

/** How long a database that starts or stops just now is waited for before the plan is refused for it, in seconds. */
const movingPatienceSeconds = 10;

/**
 * How long nothing is done after a promotion, in milliseconds: those who have waited write first. To look again, and to start
 * the old primary, would take the processors away from them. Not where replication is synchronous: there they wait for just that.
 */
const giveWayMs = 60;

/** More rounds than any plan can need: a planner that does not come to its end is a defect, not a reason to go on. */
const maximumRounds = 20;

/**
 * Runs a transition to its end: observe, plan, run the first step, and again, until nothing is left to do. Keeps no
 * journal: a run that was killed is gone on with by running it again.
 *
 * @returns the evidence
 * @throws RefusedError when it must not run; Error when a step failed
 */
export async function runTransition(run: TransitionRun): Promise<Evidence> {
  const { topology, goal, progress } = run;
  const operator = { ca: run.observer.caCertificate, user: "operator", password: run.operatorPassword };
  const startedAt = new Date();
  const record = new Record(run, startedAt);
  const silence = new Silence();
  const lock = await TransitionLock.take(topology, operator, goal, silence, (holder) =>
    progress(`waiting: another transition is running (${holder})`),
  );
  const connectionTo: ConnectionTo = (name) => lock.connectionTo(name);
  const given = new GivenIntents();
  const base: ActionContext = { topology, goal, operator, progress, connectionTo, given };
  const early = earlyOf(goal, base);
  const context: ActionContext = { ...base, ...early };
  let failure: unknown;
  try {
    await steps(run, context, { lock, record, silence });
  } catch (error) {
    failure = error;
  } finally {
    early.earlyTakeOver?.cancel();
  }
  const after = await observe(topology, run.observer, { purpose: "plan", silence, given });
  const evidence = record.evidence(after, failure);
  try {
    await run.keep(evidence, context);
  } finally {
    await lock.release();
  }
  if (failure !== undefined) throw failure;
  return evidence;
}

/** What is begun before anything is known, because writes may be waiting. None of it changes anything. */
function earlyOf(goal: Goal, base: ActionContext): Pick<ActionContext, "earlyTakeOver" | "earlyUnsentWal"> {
  if (goal.transition === "rebuild") return {};
  const target = targetOf(goal.transition);
  const standby = base.connectionTo(target);
  return {
    ...(goal.readUnsentWal && standby
      ? { earlyUnsentWal: new EarlyUnsentWal(otherOf(target), standby, base) }
      : {}),
    earlyTakeOver: new EarlyTakeOver(target, base),
  };
}

/** A plan, and what it rests on. */
interface Planned {
  readonly observation: Observation;
  readonly plan: Plan;
}

/** The steps that promote, or after which the same database is promoted. */
const promoting: readonly Step["kind"][] = ["fence", "promote", "switch-over"];

/** The steps after which clients write again, or as soon as there is a standby where replication is synchronous. */
const opening: readonly Step["kind"][] = ["promote", "switch-over"];

async function steps(
  run: TransitionRun,
  context: ActionContext,
  {
    lock,
    record,
    silence,
  }: { readonly lock: TransitionLock; readonly record: Record; readonly silence: Silence },
): Promise<void> {
  const { topology, goal, observer } = run;
  const { connectionTo, given } = context;
  const look = { purpose: "plan", progress: run.progress, silence, connectionTo, given } as const;
  let carried: Planned | undefined;
  const earlier: Step[] = [];
  for (let round = 0; round < maximumRounds; round++) {
    const { observation, plan: planned } = carried ?? (await planNow(topology, goal, observer, look));
    const { steps: todo, refused } = planned;
    record.planned(observation, planned);
    // Once something was done a refusal means that the world has changed under it: it is said, and nothing more is done.
    if (refused.length > 0) throw new RefusedError(goal.transition, refused);
    const [next] = todo;
    if (!next) return askHowItCameBack(observation, record.lossProof, context);
    const step = asExpected(next, earlier);
    earlier.push(...todo);
    if (!promoting.includes(step.kind)) context.earlyTakeOver?.cancel();
    await lock.renew();
    await pauseAt(`before:${step.kind}`, context.progress);
    const { fencedWhileDown } = await record.step(step, () => act(step, context));
    await pauseAt(`after:${step.kind}`, context.progress);
    if (opening.includes(step.kind) && !topology.synchronous) await sleep(giveWayMs);
    const known = carryOver(observation, fencedWhileDown, Date.now());
    carried = known && { observation: known, plan: plan(known, goal) };
    // Whatever is refused is refused for what is the case now.
    if (carried && carried.plan.refused.length > 0) carried = undefined;
  }
  throw new Error(
    `${run.goal.transition}: no end after ${maximumRounds} steps. The evidence shows what was tried.`,
  );
}

/** Where an earlier run has promoted, and the old primary has come back meanwhile: only that one can say what it had. */
async function askHowItCameBack(
  observation: Observation,
  proof: LossProof,
  context: ActionContext,
): Promise<void> {
  const { transition } = context.goal;
  if (!proof.isOpen || transition === "rebuild") return;
  const name = otherOf(targetOf(transition));
  if (viewOf(observation, name)?.state !== "standby") return;
  try {
    await using standby = standbyConnection(name, context);
    proof.cameBack(await rejoinOf(name, standby, context));
  } catch (error) {
    // The transition is done; it only cannot be shown that nothing was lost.
    context.progress(`${name} could not be asked how it came back: ${messageOf(error)}`);
  }
}

/** Collects what happens for the evidence. */
class Record {
  readonly #run: TransitionRun;
  readonly #startedAt: Date;
  readonly #steps: StepEvidence[] = [];
  readonly #warnings = new Set<string>();
  #before: Observation | undefined;
  #writesStoppedAt: number | undefined;
  #writeGapSeconds: number | null = null;
  readonly lossProof = new LossProof();

  constructor(run: TransitionRun, startedAt: Date) {
    this.#run = run;
    this.#startedAt = startedAt;
  }

  planned(observation: Observation, planned: Plan): void {
    this.#before ??= observation;
    this.lossProof.planned(this.#run.goal, observation, planned);
    for (const warning of planned.warnings) {
      if (!this.#warnings.has(warning)) this.#run.progress(`warning: ${warning}`);
      this.#warnings.add(warning);
    }
  }

  async step(step: Step, work: () => Promise<ActionDetails>): Promise<ActionDetails> {
    const { text, cost } = describeStep(step);
    const startedAt = new Date();
    const began = performance.now();
    this.#run.progress(`${text}${cost === "writes wait" ? " (writes wait)" : ""} …`);
    this.lossProof.begins(step);
    try {
      const found = await work();
      const { writesStoppedAt, writesResumedAt, fencedWhileDown: _, unsentUnread, ...details } = found;
      if (unsentUnread) this.lossProof.leftUnread();
      this.lossProof.cameBack(found.rejoin ?? null);
      this.#writesStoppedAt ??= writesStoppedAt;
      // Where replication is synchronous writes may resume only with the step after the promotion.
      if (this.#writesStoppedAt !== undefined && writesResumedAt !== undefined)
        this.#writeGapSeconds ??= (writesResumedAt - this.#writesStoppedAt) / 1000;
      const seconds = (performance.now() - began) / 1000;
      this.#steps.push({ step: text, startedAt: startedAt.toISOString(), seconds, result: "done", details });
      this.#run.progress(`  done in ${seconds.toFixed(2)} s`);
      return found;
    } catch (error) {
      const seconds = (performance.now() - began) / 1000;
      this.#steps.push({
        step: text,
        startedAt: startedAt.toISOString(),
        seconds,
        result: "failed",
        details: { error: messageOf(error) },
      });
      throw error;
    }
  }

  evidence(after: Observation, failure: unknown): Evidence {
    const { goal, topology, commit } = this.#run;
    return {
      version: evidenceVersion,
      transition: goal.transition,
      transitionId: goal.transitionId,
      stack: topology.stack,
      actor: actor(),
      commit,
      startedAt: this.#startedAt.toISOString(),
      endedAt: new Date().toISOString(),
      verdict: verdictOf(databaseEvidence(after), this.#ended(failure)),
      before: this.#before ? databaseEvidence(this.#before) : [],
      after: databaseEvidence(after),
      steps: this.#steps,
      writeGapSeconds: this.#writeGapSeconds,
      lostWrites: this.lossProof.lostWrites,
      warnings: [...this.#warnings],
      error: failure === undefined ? null : messageOf(failure),
    };
  }

  #ended(failure: unknown): "done" | "refused" | "failed" {
    if (failure === undefined) return "done";
    return failure instanceof RefusedError && this.#steps.length === 0 ? "refused" : "failed";
  }
}

/**
 * The plan as of now, without doing anything: also for the preview and `--dry-run`. A refusal counts only once no database
 * is on its way from one state to another, for at most 10 s: right after a transition was killed there always is one.
 */
export async function planNow(
  topology: Topology,
  goal: Goal,
  observer: ObserverAccess,
  { progress, ...look }: Partial<Look> & { readonly progress?: (text: string) => void } = {},
): Promise<Planned> {
  const deadline = Date.now() + movingPatienceSeconds * 1000;
  let said = "";
  while (true) {
    const observation = await observe(topology, observer, look);
    const planned = plan(observation, goal);
    const moving = movingDatabases(observation).join(" and ");
    if (planned.refused.length === 0 || moving === "" || Date.now() > deadline)
      return { observation, plan: planned };
    if (moving !== said) progress?.(`waiting: ${moving} is starting or stopping, or hangs`);
    said = moving;
    await sleep(200);
  }
}
