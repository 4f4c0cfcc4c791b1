import { nodeNamesOf, type Topology } from "../../core/topology.ts";
import { renderPreflight } from "../../core/transition/report.ts";
import type { Goal } from "../../core/transition/step.ts";
import { viewOf } from "../../core/transition/view.ts";
import { models } from "../../core/vocabulary.ts";
import { lookAtEngine } from "../docker/engine.ts";
import type { ObserverAccess } from "../observe/index.ts";
import { planNow } from "./driver.ts";
import { readHistory } from "./evidenceStore.ts";

/** What the preview shows of a transition. */
export interface PreflightReport {
  readonly text: string;
  readonly refused: boolean;
  /** Nothing could be observed from here: the graph is right, the verdict is not known. */
  readonly unknown: boolean;
}

/**
 * Looks, changing nothing, whether a transition can run now, and says what it would do. One that was applied already
 * (the record in the database says so) is only named.
 */
export async function preflightTransition(
  topology: Topology,
  goal: Goal,
  observer: ObserverAccess,
): Promise<PreflightReport> {
  const [applied, { observation, plan }] = await Promise.all([
    appliedAt(topology, goal, observer),
    planNow(topology, goal, observer),
  ]);
  if (applied)
    return {
      text: `${goal.transition} (${goal.transitionId}) was applied at ${applied}; another transitionId runs it again`,
      refused: false,
      unknown: false,
    };
  const nothingSeen = observation.databases.every(
    ({ name }) => viewOf(observation, name)?.state === "unreachable",
  );
  if (nothingSeen)
    return {
      text: `${goal.transition} (${goal.transitionId}): unknown from here, no database and no engine can be asked. The preflight is done again when it is applied`,
      refused: false,
      unknown: true,
    };
  const changed = await modelChange(topology);
  const refused = changed ? [...plan.refused, changed] : plan.refused;
  const shown = { ...plan, refused, steps: refused.length > 0 ? [] : plan.steps };
  return { text: renderPreflight(goal, observation, shown), refused: refused.length > 0, unknown: false };
}

/** When the record says that this very transition came to its end; undefined otherwise. */
async function appliedAt(
  topology: Topology,
  goal: Goal,
  observer: ObserverAccess,
): Promise<string | undefined> {
  const access = { ca: observer.caCertificate, user: "monitoring", password: observer.monitoringPassword };
  const histories = await Promise.allSettled(topology.databases.map((node) => readHistory(node, access, 50)));
  // A database that cannot be asked is shown by the preflight itself.
  return histories
    .flatMap((history) => (history.status === "fulfilled" ? history.value : []))
    .find(
      ({ transition, transitionId, verdict }) =>
        transition === goal.transition && transitionId === goal.transitionId && verdict.startsWith("done"),
    )?.endedAt;
}

function sameNodes(names: readonly string[], deployed: ReadonlySet<string>): boolean {
  return names.length === deployed.size && names.every((name) => deployed.has(name));
}

/** A transition and another set of nodes in one `up`: each is hard enough to review alone. */
async function modelChange(topology: Topology): Promise<{ reason: string; remedy: string } | undefined> {
  const deployed = new Set<string>();
  for (const host of topology.hosts) {
    try {
      const containers = await lookAtEngine(host.docker).listContainers({
        all: true,
        filters: {
          label: [`pg-continuity.project=${topology.project}`, `pg-continuity.stack=${topology.stack}`],
        },
      });
      for (const { Labels } of containers)
        if (Labels["pg-continuity.node"] && Labels["pg-continuity.kind"] !== "application")
          deployed.add(Labels["pg-continuity.node"]);
    } catch {
      // A host that cannot be asked: its nodes are not known, so nothing can be said of a change.
      return undefined;
    }
  }
  // Compared with whole models: a container that is gone by accident is no change of the model.
  const before = models.find((model) => sameNodes(nodeNamesOf(model), deployed));
  if (before === undefined || before === topology.model) return undefined;
  return {
    reason: `the same change would turn the model from ${before} into ${topology.model}`,
    remedy: "Change the model and run the transition one after the other.",
  };
}
