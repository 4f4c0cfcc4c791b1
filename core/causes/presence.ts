import { logOf, npmRun } from "./commands.ts";
import type { Cause, CauseName, InactiveNode, Surroundings } from "./types.ts";

/** A cause before one of them is called the likely one. */
export type Judged = Omit<Cause, "name" | "title">;

/** Whether a node that cannot be asked is there. */
export interface Presence {
  readonly likely: Exclude<CauseName, "replication"> | null;
  readonly service: Pick<Judged, "verdict" | "evidence">;
  readonly network: Pick<Judged, "verdict" | "evidence">;
}

/**
 * Tells a node that does not run from one that cannot be reached. Pure. Somebody who hears of the node rules out that
 * it does not run; a refused connection rules out the network; what went without closing its connections was cut off
 * rather than ended; where nobody but the observer has looked, and over a way of which nothing else is known, or where
 * another server's word is awaited, neither is called likely.
 *
 * @param heard how else the node is known to run
 */
export function presenceOf(node: InactiveNode, around: Surroundings, heard: readonly string[]): Presence {
  const { look, loss, witnesses, place } = node;
  const here = `This server (${around.observer}) asked: ${said(node)}.`;
  const awaited = witnesses.filter(({ isAwaited }) => isAwaited);
  const reaching = witnesses.filter(({ reachable, isAwaited }) => reachable === true && !isAwaited);
  const missing = witnesses.filter(({ reachable }) => reachable === false);
  const signs = [...reaching.map(({ server }) => `The ${server} server reaches it.`), ...heard];
  const alsoMissing = missing.map(({ server }) => `The ${server} server does not reach it either.`);
  const isCutOff = around.reached.length === 0 && around.unreached.length > 0;
  const reaches = isCutOff
    ? `This server reaches nobody else: not ${around.unreached.join(", ")}.`
    : around.reached.length > 0
      ? `This server reaches ${around.reached.join(", ")}.`
      : "This server has nobody else to ask.";

  if (look === "starting")
    return {
      likely: "service",
      service: { verdict: "likely", evidence: [here] },
      network: { verdict: "ruled out", evidence: ["It answers."] },
    };
  if (look === "odd")
    return {
      likely: null,
      service: {
        verdict: signs.length > 0 ? "ruled out" : "not known",
        evidence: [here, "Somebody answers there, but not as expected.", ...signs],
      },
      network: { verdict: "ruled out", evidence: ["Somebody answers there."] },
    };
  if (signs.length > 0)
    return {
      likely: "network",
      service: { verdict: "ruled out", evidence: signs },
      network: { verdict: "likely", evidence: [here, ...signs, reaches] },
    };
  if (look === "refused")
    return {
      likely: "service",
      service: { verdict: "likely", evidence: [here, ...alsoMissing] },
      network: {
        verdict: "ruled out",
        evidence: ["Its address answers: the connection was refused, not lost."],
      },
    };
  if (look === "unasked")
    return {
      likely: null,
      service: { verdict: "not known", evidence: ["Nobody has asked it yet."] },
      network: { verdict: "not known", evidence: [reaches] },
    };
  if (isCutOff && around.unreached.length > 1)
    return {
      likely: "network",
      service: { verdict: "not known", evidence: [here, "Nobody can be asked who might reach it."] },
      network: { verdict: "likely", evidence: [reaches, "So it is likely this server that is cut off."] },
    };
  if (place.isBeside && loss === "cut")
    return {
      likely: "network",
      service: { verdict: "not known", evidence: [here, ...alsoMissing] },
      network: {
        verdict: "likely",
        evidence: [
          here,
          "It fell silent over a connection that nobody has closed, and takes no new one. What ends has its connections closed.",
          ...alsoMissing,
          reaches,
        ],
      },
    };
  if (awaited.length > 0 || (place.isBeside && loss === "silent"))
    return {
      likely: null,
      service: {
        verdict: "not known",
        evidence: [here, ...awaited.map(({ server }) => `The ${server} server reached it a moment ago.`)],
      },
      network: { verdict: "not known", evidence: [reaches] },
    };
  const isPlaced = place.isBeside || place.reachedOnItsHost.length > 0 || missing.length > 0;
  const neighbours = place.reachedOnItsHost.map((name) => `On the same host ${name} is reached.`);
  if (isPlaced && !isCutOff)
    return {
      likely: "service",
      service: { verdict: "likely", evidence: [here, ...alsoMissing, ...neighbours] },
      network: {
        verdict: "not known",
        evidence: [reaches, "A container that was cut from its network looks the same from here."],
      },
    };
  return {
    likely: null,
    service: { verdict: "not known", evidence: [here, ...alsoMissing] },
    network: { verdict: "not known", evidence: [reaches, "Nobody else can say whether it runs."] },
  };
}

function said({ look, problem }: InactiveNode): string {
  if (look === "answered") return "it answers";
  const words = problem ?? "no reason known";
  if (look === "unnamed") return `its name is not known in the network (${words})`;
  return words;
}

/** What helps where the service does not run. */
export function startHelp(node: InactiveNode, stack: string): Pick<Judged, "remedy" | "commands"> {
  const where = node.place.isBeside ? "" : " on its host";
  return {
    remedy: `Start it${where}, or let the project start what does not run. Its log says why it ended.`,
    commands: [`docker start ${node.containerName}`, logOf(node.containerName), npmRun(stack, "up")],
  };
}

/** What helps where the network is cut. */
export function networkHelp(stack: string): Pick<Judged, "remedy" | "commands"> {
  return {
    remedy:
      "Ask the engines whether the container runs and is connected; an up makes a missing network again and connects what is not. Between hosts: look at the firewall and the published address.",
    commands: [npmRun(stack, "status"), npmRun(stack, "up")],
  };
}
