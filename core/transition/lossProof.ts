import type { Observation, RejoinObservation } from "../observation.ts";
import type { Evidence } from "./evidence.ts";
import type { Plan } from "./planTypes.ts";
import { type Goal, type Step, targetOf } from "./step.ts";
import { intendedBy, viewOf } from "./view.ts";

/**
 * What a run can show of acknowledged writes that its transition may have lost. Nothing is lost where the order of the steps
 * sees to that, or where the old primary comes back as it is: all that it has on its disk belongs to the history of the new
 * one then. Of a promotion that an earlier run has made only the latter can be known.
 */
export class LossProof {
  #isPossible = false;
  #isProvable = true;
  #hasPromoted = false;

  /** Before each step: what was planned, and on what it rests. */
  planned(goal: Goal, observation: Observation, { refused }: Plan): void {
    if (this.#hasPromoted || goal.transition === "rebuild") return;
    const target = viewOf(observation, targetOf(goal.transition));
    if (target?.state !== "writable") return;
    // Refused because another transition has promoted it: what that one has lost is in its own evidence.
    if (refused.length > 0 && intendedBy(target) !== goal.transitionId) return;
    const { intent } = target.observed;
    this.#hasPromoted = true;
    this.#isPossible = true;
    this.#isProvable = intent.known && intent.value?.unsentUnread !== true;
  }

  /** A step is about to be done. */
  begins(step: Step): void {
    if (step.kind === "switch-over") this.#hasPromoted = true;
    if (step.kind !== "promote") return;
    this.#hasPromoted = true;
    this.#isPossible ||= step.proof === "possible loss";
  }

  /** What the old primary had not sent could not be read, or was left alone: how it comes back proves nothing then. */
  leftUnread(): void {
    this.#isProvable = false;
  }

  /** How the old primary has come back; null where it was a standby before, or does not say. */
  cameBack(rejoin: RejoinObservation | null): void {
    if (this.isOpen && rejoin?.method === "as-is") this.#isPossible = false;
  }

  /** Whether the old primary could still show that nothing is lost. */
  get isOpen(): boolean {
    return this.#isPossible && this.#isProvable;
  }

  get lostWrites(): Evidence["lostWrites"] {
    return this.#isPossible ? null : 0;
  }
}
