import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { known, type Observation, type RejoinObservation, unknown } from "../../../core/observation.ts";
import { LossProof } from "../../../core/transition/lossProof.ts";
import { plan } from "../../../core/transition/plan.ts";
import type { Goal, Step } from "../../../core/transition/step.ts";
import { anyWorld, healthy } from "./anyWorld.ts";
import {
  apply,
  byName,
  databasesOf,
  isWritable,
  observeWorld,
  otherOf,
  streams,
  type World,
} from "./world.ts";

const goal: Goal = {
  transition: "promote",
  transitionId: "CHG-1",
  allowDataLoss: true,
  primaryIsDown: true,
  keepDiverged: true,
  readUnsentWal: true,
};

const promotion = (proof: "lossless" | "possible loss"): Step => ({
  kind: "promote",
  database: "read-only",
  replayed: null,
  seenTimeline: 1,
  unsentFrom: "shared",
  proof,
});
const switchOver: Step = { kind: "switch-over", from: "shared", to: "read-only" };
const cameBack = (method: RejoinObservation["method"]): RejoinObservation => ({
  method,
  reason: "because",
  transitionId: "CHG-1",
});

/** A look at a deployment whose writable database is this one; with what it was told where that is given. */
function seen(
  writable: "shared" | "read-only",
  intent: { unsentUnread?: boolean } | "unknown" = {},
): Observation {
  const observation = observeWorld(healthy(writable));
  return {
    ...observation,
    databases: observation.databases.map((database) => {
      if (database.name !== writable || !database.intent.known || !database.intent.value) return database;
      return {
        ...database,
        intent: intent === "unknown" ? unknown("no") : known({ ...database.intent.value, ...intent }),
      };
    }),
  };
}

const goesOn = { steps: [], refused: [], warnings: [] };
const refused = { ...goesOn, refused: [{ reason: "it is so", remedy: "Leave it." }] };

describe("what a run can show of lost writes", () => {
  it.each<[what: string, told: (proof: LossProof) => void, lostWrites: 0 | null]>([
    ["nothing was done", () => undefined, 0],
    ["a planned one", (proof) => proof.begins(switchOver), 0],
    ["an emergency without loss", (proof) => proof.begins(promotion("lossless")), 0],
    ["an emergency", (proof) => proof.begins(promotion("possible loss")), null],
    [
      "an emergency whose old primary comes back as it is",
      (proof) => {
        proof.begins(promotion("possible loss"));
        proof.cameBack(cameBack("as-is"));
      },
      0,
    ],
    ...(["rewind", "base-backup"] as const).map(
      (method) =>
        [
          `an emergency whose old primary comes back by ${method}`,
          (proof: LossProof) => {
            proof.begins(promotion("possible loss"));
            proof.cameBack(cameBack(method));
          },
          null,
        ] as [string, (proof: LossProof) => void, null],
    ),
    [
      "an emergency whose old primary does not say how it came back",
      (proof) => {
        proof.begins(promotion("possible loss"));
        proof.cameBack(null);
      },
      null,
    ],
    [
      "an emergency that could not read what was unsent, however it comes back",
      (proof) => {
        proof.begins(promotion("possible loss"));
        proof.leftUnread();
        proof.cameBack(cameBack("as-is"));
      },
      null,
    ],
    ["one that an earlier run has promoted", (proof) => proof.planned(goal, seen("read-only"), goesOn), null],
    [
      "one that an earlier run has promoted, whose old primary comes back as it is",
      (proof) => {
        proof.planned(goal, seen("read-only"), goesOn);
        proof.cameBack(cameBack("as-is"));
      },
      0,
    ],
    ...([{ unsentUnread: true }, "unknown"] as const).map(
      (intent) =>
        [
          `the same, where the new primary's intent is ${JSON.stringify(intent)}`,
          (proof: LossProof) => {
            proof.planned(goal, seen("read-only", intent), goesOn);
            proof.cameBack(cameBack("as-is"));
          },
          null,
        ] as [string, (proof: LossProof) => void, null],
    ),
    [
      "one that this run has switched over",
      (proof) => {
        proof.planned(goal, seen("shared"), goesOn);
        proof.begins(switchOver);
        proof.planned(goal, seen("read-only"), goesOn);
      },
      0,
    ],
    [
      "refused, because another transition has promoted it",
      (proof) => proof.planned(goal, seen("read-only"), refused),
      0,
    ],
    ["a rebuild", (proof) => proof.planned({ ...goal, transition: "rebuild" }, seen("read-only"), goesOn), 0],
    [
      "a restore that an earlier run has done",
      (proof) => proof.planned({ ...goal, transition: "restore" }, seen("shared"), goesOn),
      null,
    ],
  ])("%s", (_, tell, lostWrites) => {
    const proof = new LossProof();
    tell(proof);
    expect(proof.lostWrites).toBe(lostWrites);
  });

  it("never says 0 of lost writes, wherever its runs are killed", () => {
    const noneWritable = anyWorld.filter((world) => !databasesOf(world).some(isWritable));
    const kills = fc.array(fc.boolean(), { minLength: 10, maxLength: 10 });
    let claims = 0;
    fc.assert(
      fc.property(
        noneWritable,
        fc.constantFrom("promote" as const, "restore" as const),
        kills,
        (start, name, killed) => {
          const world = structuredClone(start);
          const mine = { ...goal, transition: name };
          const truth = { isLost: false };
          let proof = new LossProof();
          for (const isKilled of killed) {
            if (isKilled) proof = new LossProof();
            const observation = observeWorld(world);
            const planned = plan(observation, mine);
            proof.planned(mine, observation, planned);
            const [step] = planned.steps;
            if (!step || planned.refused.length > 0) break;
            proof.begins(step);
            truth.isLost ||= loses(world, step);
            apply(world, step, mine.transitionId);
            if (step.kind === "follow") proof.cameBack(cameBack(truth.isLost ? "rewind" : "as-is"));
          }
          if (proof.lostWrites === 0 && databasesOf(world).some(isWritable)) claims++;
          if (truth.isLost && databasesOf(world).some(isWritable)) expect(proof.lostWrites).toBeNull();
        },
      ),
      { numRuns: 20_000 },
    );
    expect(claims).toBeGreaterThan(100);
  });
});

/** Whether a promotion leaves behind, in truth, what only the other database has. */
function loses(world: World, step: Step): boolean {
  if (step.kind !== "promote") return false;
  const [target, other] = [byName(world, step.database), otherOf(world, step.database)];
  return !streams(world, target) && (other.lsn > target.lsn || other.timeline > target.timeline);
}
