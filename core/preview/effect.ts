import type { DatabaseName } from "../vocabulary.ts";
import type { Change } from "./change.ts";

export const risks = ["none", "low", "medium", "high"] as const;
export type Risk = (typeof risks)[number];

/** What one change does to people and data. */
export interface Effect {
  readonly text: string;
  readonly risk: Risk;
  /** The change must not be applied: why, and what to do. */
  readonly refused?: string;
  /** What happens to data, where it happens to any. */
  readonly data?: string;
}

/** What an effect depends on besides the change itself. */
export interface EffectContext {
  readonly writable: DatabaseName;
  /** Nodes that there are after the change. */
  readonly stays: (node: string) => boolean;
  /** Whether a node moves to another host. */
  readonly moves: (node: string) => boolean;
  /** Whether it takes away a network that nodes are on. */
  readonly cuts: (change: Change) => boolean;
  /** Nothing is deployed yet. */
  readonly isFirst: boolean;
  /** The data volume that may be deleted or replaced; empty where none may. */
  readonly givenUp: string;
  /** Where the change switches it: whether writes wait for the replica afterwards. */
  readonly becomesSynchronous: boolean | undefined;
}

/** Properties of a container that the plugin applies to it while it runs. */
const liveProperties = new Set([
  ...["memory", "memorySwap", "memoryReservation", "cpuShares", "cpuSet", "restart", "maxRetryCount"],
]);
/** Properties that only say how Pulumi removes it one day. */
const recordedProperties = new Set(["destroyGraceSeconds", "removeVolumes"]);

/** What a change does. Whatever this report does not know is never called harmless. */
export function effectOf(change: Change, context: EffectContext): Effect {
  switch (change.kind) {
    case "container":
      return containerEffect(change, context);
    case "data volume":
      return dataVolumeEffect(change, context);
    case "state volume":
      return stateVolumeEffect(change, context);
    case "network":
      if (change.action === "created")
        return { text: "the nodes of this host reach each other on it", risk: "low" };
      return context.cuts(change)
        ? { text: "every node of this host loses its connections", risk: "high" }
        : { text: "goes with its host, after the last node on it", risk: "low" };
    case "engine":
      return change.action === "updated in place"
        ? {
            text: "its containers are looked for on another engine from now on; where it does not have them, they are left behind on the old one",
            risk: "high",
          }
        : { text: "a Docker engine that the stack uses", risk: "low" };
    case "image":
      return change.action === "deleted"
        ? { text: "an image that nothing uses any more", risk: "low" }
        : { text: "built beside the running containers", risk: "low" };
    case "certificate":
      return change.action === "deleted"
        ? { text: "nobody uses it any more", risk: "low" }
        : { text: "issued by the stack's authority, delivered live", risk: "low" };
    case "credential":
      return credentialEffect(change);
    case "configuration":
      return { text: configurationText(change, context), risk: "low" };
    case "first step":
      return firstStepEffect(change, context);
    case "release":
      if (change.action !== "deleted")
        return { text: "does nothing until its replica is removed", risk: "low" };
      return change.node !== null && context.moves(change.node)
        ? { text: "its slot stays, for the one on the new host", risk: "low" }
        : { text: "its slot is dropped on the database that fed it", risk: "low" };
    case "turn":
      return { text: "the next container waits until this node does its work again", risk: "low" };
    case "acknowledgement":
      return acknowledgementEffect(context);
    case "transition":
      return transitionEffect(change);
    case "restart":
      return change.action === "restarted"
        ? { text: "each database is restarted in its container, one at a time", risk: "medium" }
        : { text: "looks whether a parameter needs a restart; none does", risk: "low" };
    case "check":
      return { text: "looks whether credentials may follow one another, changes nothing", risk: "low" };
    case "unknown":
      return { text: "this report does not know what it does: read the diff", risk: "medium" };
  }
}

function containerEffect({ action, because, node }: Change, { moves }: EffectContext): Effect {
  const isMoved = node !== null && moves(node);
  const keeps = node?.endsWith("-database") ? "; its data stays in its volume" : "";
  switch (action) {
    case "created":
      if (node === "backup") return { text: "makes backups; nobody connects to it", risk: "low" };
      return { text: isMoved ? "made on its new host, beside the old one" : "a new node", risk: "low" };
    case "replaced":
      return { text: `stopped in order and made anew (${because.join(", ")})${keeps}`, risk: "medium" };
    case "deleted":
      return {
        text: isMoved
          ? "it has moved: stopped in order on its old host and removed there"
          : "stopped in order and removed",
        risk: "medium",
      };
    case "restarted":
      return { text: "found stopped, started again", risk: "low" };
    case "updated in place":
      break;
  }
  const unapplied = because.filter((name) => !liveProperties.has(name) && !recordedProperties.has(name));
  if (unapplied.length > 0)
    return {
      text: `${unapplied.join(", ")}: taken down by Pulumi, but not applied to the running container`,
      risk: "medium",
    };
  const live = because.filter((name) => liveProperties.has(name));
  return live.length > 0
    ? { text: `${live.join(", ")}: applied to the running container`, risk: "low" }
    : { text: "only how it is removed one day", risk: "low" };
}

function dataVolumeEffect(change: Change, context: EffectContext): Effect {
  const { action, node, isRetained, name, because } = change;
  if (action === "created")
    return { text: node === "backup" ? "the backups lie in it" : "empty, to be filled", risk: "low" };
  if (action === "updated in place") return { text: "its data stays", risk: "low" };
  // By the same name the engine gives the volume that is there.
  if (isRetained && !because.some((property) => ["name", "driver", "driverOpts"].includes(property)))
    return {
      text:
        action === "deleted" ? "stays on its host, Pulumi forgets it" : "taken down anew, with the same data",
      risk: "low",
      data: `${node}: its data is kept`,
    };
  const holdsTheData = node === `${context.writable}-database`;
  if (!holdsTheData && name === context.givenUp)
    return {
      text: `deleted, because giveUpVolume names it; ${context.writable} holds the same data`,
      risk: "medium",
      data: `${node}: its copy of the data is deleted${action === "replaced" ? ", and copied again by base backup" : ""}`,
    };
  if (!holdsTheData && action === "deleted" && node !== null && !context.stays(node))
    return {
      text: `deleted with its node; ${context.writable} holds the same data`,
      risk: "medium",
      data: `${node}: its copy of the data is deleted`,
    };
  const data = `${node}: ALL ITS DATA IS DELETED${holdsTheData ? ", and it is the writable database" : ""}`;
  return {
    text: "its data is deleted",
    risk: "high",
    data,
    refused: `${name} holds the data of ${node} and would be ${action}. Take the change back.${holdsTheData ? "" : ` If that copy is not needed any more: pulumi config set giveUpVolume ${name}`}`,
  };
}

function stateVolumeEffect({ action, node, isRetained }: Change, { stays }: EffectContext): Effect {
  if (action === "created") return { text: "for configuration, and what the node remembers", risk: "low" };
  if (isRetained) return { text: "stays on its host, Pulumi forgets it", risk: "low" };
  if (action === "deleted" && node !== null && !stays(node))
    return { text: "deleted with its node", risk: "low" };
  return { text: "the node forgets its role and what it has seen", risk: "high" };
}

function credentialEffect({ action, name }: Change): Effect {
  if (action === "created") return { text: "made once, kept encrypted in the state", risk: "low" };
  const isKey = name.includes("encryption-key");
  // Only what is not in use can be deleted: what is, is protected.
  if (action === "deleted") return { text: "not accepted any more", risk: "low" };
  if (action === "updated in place") return { text: "only its protection changes", risk: "low" };
  return {
    text: isKey ? "what it has encrypted can be read no more" : "the old one stops working",
    risk: isKey ? "high" : "medium",
    ...(isKey ? { data: "everything that was encrypted with the old key is lost" } : {}),
  };
}

function acknowledgementEffect({ becomesSynchronous }: EffectContext): Effect {
  if (becomesSynchronous === undefined)
    return { text: "whose word a write waits for is said again, live", risk: "low" };
  return becomesSynchronous
    ? {
        text: "every write waits for the replica from now on: nothing is lost with the writable database, but writes stop while the replica is gone; the way out is applied live: pulumi config set synchronous false && pulumi up",
        risk: "medium",
      }
    : {
        text: "writes do not wait for the replica any more: what it does not have yet is lost with the writable database",
        risk: "medium",
      };
}

function configurationText({ action, node }: Change, { stays }: EffectContext): string {
  if (action === "deleted")
    return node !== null && stays(node) ? "not delivered any more" : "goes with its node";
  return action === "created" ? "delivered once the node runs" : "delivered live, nothing restarts";
}

function firstStepEffect({ action, name, node }: Change, { moves }: EffectContext): Effect {
  if (action === "deleted") return { text: "forgotten, it ran once", risk: "low" };
  if (action === "updated in place")
    return { text: "only its text changes, it does not run again", risk: "low" };
  if (name.startsWith("attach-") || (node !== null && moves(node)))
    return {
      text: "copied by base backup, then streams",
      risk: "low",
      data: `${node}: filled from the writable database`,
    };
  return { text: "makes roles, slots and an empty database, where there is none", risk: "low" };
}

function transitionEffect({ action, name }: Change): Effect {
  if (action === "deleted") return { text: "forgotten, it is done", risk: "low" };
  if (action === "updated in place")
    return { text: "only its text changes, it does not run again", risk: "low" };
  if (name.startsWith("rebuild"))
    return {
      text: "thrown away and copied again by base backup",
      risk: "medium",
      data: "read-only-database: its data is thrown away and copied again",
    };
  return { text: "another database becomes the writable one; its steps stand below", risk: "medium" };
}
