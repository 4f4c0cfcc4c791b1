import { replacementOrder } from "../replacementOrder.ts";
import { allNodes, type Host, servingNodes, type Topology } from "../topology.ts";
import type { DatabaseName } from "../vocabulary.ts";
import { type Change, movesToAnotherHost } from "./change.ts";

/**
 * How long a node is away, in seconds, when its container is made anew or restarted: as measured on a machine with two
 * processors (docs/ci.md). A database under load takes longer by its checkpoint.
 */
export const secondsAway = { gateway: 2, server: 4, database: 3 } as const;

/** How long a planned promote or restore lets writes wait, in seconds. */
export const transitionSeconds = 0.3;

/** Until the gateway has turned to another server, in seconds: its checks' worst case (core/render/haproxy.ts). */
export const turnSeconds = 1;

/** Whether something stops for the application's users at the gateway. */
export interface Interruption {
  readonly stops: boolean;
  /** For about how long; null where it does not stop, or for good. */
  readonly seconds: number | null;
  /** Half sentences, one a cause. */
  readonly because: readonly string[];
}

export interface Interruptions {
  readonly writes: Interruption;
  readonly reads: Interruption;
}

/** What is known of the deployment before the change. */
export interface Deployed {
  readonly topology: Topology;
  /** The database that accepts writes now; null where nobody can say, then it is taken for the shared one. */
  readonly writable: DatabaseName | null;
}

const none: Interruption = { stops: false, seconds: null, because: [] };

type Length = "for a moment" | "for good";
type Away = ReadonlyMap<string, Length>;

/** Which nodes are away for a moment, and which go for good. */
export function nodesAway(changes: readonly Change[]): Away {
  const away = new Map<string, Length>();
  // Clients would look for the gateway where it was.
  const isMoved = (node: string) => node !== "gateway" && movesToAnotherHost(node, changes);
  for (const { kind, node, action } of changes) {
    if (node === null || (kind !== "container" && kind !== "restart")) continue;
    // A container that is started because it was found stopped serves nobody now.
    const isDown = kind === "container" && action === "restarted";
    if (action === "replaced" || (action === "restarted" && !isDown))
      away.set(node, away.get(node) ?? "for a moment");
    if (action === "deleted") away.set(node, isMoved(node) ? "for a moment" : "for good");
  }
  return away;
}

/** As `nodesAway`, and the databases that are restarted for their parameters. */
function awayOrRestarted(changes: readonly Change[], { topology }: Deployed): Away {
  const isRestart = changes.some(({ kind, action }) => kind === "restart" && action === "restarted");
  const restarted = isRestart ? topology.databases.map(({ node }) => [node, "for a moment"] as const) : [];
  return new Map([...restarted, ...nodesAway(changes)]);
}

/**
 * What stops at the gateway while the changes are applied. It follows the rules of the gateway and of the servers: a
 * write needs the gateway, the writable database and one server that uses it; a read needs the gateway and one server
 * that does its duty, which for the read-only server any database makes possible. Nodes are away one after the other
 * (core/replacementOrder.ts): what counts is the longest of these moments.
 */
export function interruptionsOf(changes: readonly Change[], deployed: Deployed | null): Interruptions {
  if (deployed === null) return { writes: none, reads: none };
  const network = changes.find((change) => cutsConnections(change, changes, deployed));
  if (network) {
    const because = [`the network of ${hostOfNetwork(network)} is ${network.action}`];
    const cut = { stops: true, seconds: null, because };
    return { writes: cut, reads: cut };
  }
  const moments = momentsOf(awayOrRestarted(changes, deployed), deployed).map((away) =>
    interruptionsWithout(away, deployed),
  );
  const transition = changes.find(
    ({ kind, action }) => kind === "transition" && (action === "created" || action === "replaced"),
  );
  const moves = transition !== undefined && !transition.name.startsWith("rebuild");
  return {
    writes: withTransition(longest(moments.map(({ writes }) => writes)), moves),
    reads: longest(moments.map(({ reads }) => reads)),
  };
}

/** Whether nodes lose a network that they are on: not where a host leaves the stack after the last that ran on it. */
export function cutsConnections(
  { kind, action, name }: Change,
  changes: readonly Change[],
  deployed: Deployed | null,
): boolean {
  if (kind !== "network" || action === "created") return false;
  const nodes = deployed === null ? [] : allNodes(deployed.topology);
  const onHost = nodes.filter(({ host }) => networkName(host) === name);
  const leaving = changes.flatMap((change) =>
    change.kind === "container" && change.action === "deleted" ? [change.node] : [],
  );
  return action !== "deleted" || onHost.length === 0 || onHost.some(({ node }) => !leaving.includes(node));
}

/** The logical name of a host's network in Pulumi. */
function networkName({ name }: Pick<Host, "name">): string {
  return `docker-${name}-network`;
}

function hostOfNetwork({ name }: Change): string {
  return `host ${/^docker-(.+)-network$/.exec(name)?.[1] ?? name}`;
}

/** Who is away at each moment: one node after the other, at last those that go for good. */
function momentsOf(away: Away, { topology, writable }: Deployed): readonly Away[] {
  const inTurn = replacementOrder(topology, writable ?? "shared").filter(
    (node) => away.get(node) === "for a moment",
  );
  return [
    ...inTurn.map((node) => new Map([[node, "for a moment" as const]])),
    new Map([...away].filter(([, length]) => length === "for good")),
  ];
}

function interruptionsWithout(away: Away, deployed: Deployed): Interruptions {
  const { topology } = deployed;
  const writable = deployed.writable ?? "shared";
  const isUp = (node: string) => !away.has(node);
  const servers = servingNodes(topology).map(({ name, node }) => ({ name, node }));
  const writers = servers.filter(({ name }) => writable === "read-only" || name !== "read-only");
  const databases = topology.databases.map(({ node }) => node);

  const causes = (nodes: readonly string[]) => nodes.filter((node) => away.has(node));
  const gateway = causes(["gateway"]);
  const forWrites = [
    ...gateway,
    // Synchronous: every write waits for the standby, until one that leaves the model is not waited for any more.
    ...causes(
      databases.filter(
        (node) => node === `${writable}-database` || (topology.synchronous && away.get(node) !== "for good"),
      ),
    ),
    ...(writers.every(({ node }) => !isUp(node)) ? writers.map(({ node }) => node) : []),
  ];
  const canRead = servers.some(
    ({ name, node }) =>
      isUp(node) && (name === "read-only" ? databases.some(isUp) : isUp(`${writable}-database`)),
  );
  const forReads = [
    ...gateway,
    ...(canRead ? [] : causes([...servers.map(({ node }) => node), ...databases])),
  ];
  // The gateway keeps to the first server that can write, and turns to the next one when it is away.
  const first = writers[0]?.node ?? "";
  return {
    writes: forWrites.length > 0 ? interruption(forWrites, away) : turning([first], away),
    reads:
      forReads.length > 0 ? interruption(forReads, away) : turning([`${writable}-database`, first], away),
  };
}

/** Of interruptions one after the other: as long as the longest of them. */
function longest(all: readonly Interruption[]): Interruption {
  const stopping = all.filter(({ stops }) => stops);
  if (stopping.length === 0) return none;
  const isForGood = stopping.some(({ seconds }) => seconds === null);
  return {
    stops: true,
    seconds: isForGood ? null : Math.max(...stopping.map(({ seconds }) => seconds ?? 0)),
    because: [...new Set(stopping.flatMap(({ because }) => because))],
  };
}

/** Requests that the gateway hands to another server, because the one that it has used cannot serve them. */
function turning(nodes: readonly string[], away: Away): Interruption {
  const gone = nodes.filter((node) => away.has(node));
  if (gone.length === 0) return none;
  return {
    stops: true,
    seconds: turnSeconds,
    because: [
      `${gone.join(" and ")} ${gone.length > 1 ? "are" : "is"} away, the gateway turns to another server`,
    ],
  };
}

function interruption(nodes: readonly string[], away: Away): Interruption {
  if (nodes.length === 0) return none;
  const isForGood = nodes.some((node) => away.get(node) === "for good");
  return {
    stops: true,
    // They are away at the same time.
    seconds: isForGood ? null : Math.max(...nodes.map(secondsOf)),
    because: nodes.map((node) => `${node} is away ${away.get(node)}`),
  };
}

function withTransition(writes: Interruption, moves: boolean): Interruption {
  if (!moves) return writes;
  return {
    stops: true,
    seconds: writes.stops && writes.seconds === null ? null : (writes.seconds ?? 0) + transitionSeconds,
    because: [...writes.because, "another database becomes the writable one"],
  };
}

function secondsOf(node: string): number {
  if (node === "gateway") return secondsAway.gateway;
  return node.endsWith("-database") ? secondsAway.database : secondsAway.server;
}
