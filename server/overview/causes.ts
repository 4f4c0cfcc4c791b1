import {
  type CauseName,
  type Diagnosis,
  databaseCauses,
  type InactiveDatabase,
  lookOf,
  type Place,
  type Surroundings,
  serverCauses,
  type Witnessed,
} from "../../core/causes/index.ts";
import type { DatabaseName, ServerName } from "../../core/vocabulary.ts";
import { type DatabaseDetail, recentSeconds } from "../databases/detail.ts";
import { answerOf, type OverviewInput } from "./input.ts";
import { wordMs } from "./peers.ts";
import type { DatabaseTile, ServerTile } from "./schema.ts";

/** A tile before its causes are known. */
type Without<T> = Omit<T, "causes">;

interface Tiles {
  readonly databases: readonly Without<DatabaseTile>[];
  readonly servers: readonly Without<ServerTile>[];
  readonly isInTransition: boolean;
}

/** Adds to each inactive tile why it is so, from the same observations that made the tiles. Pure. */
export function withCauses(
  input: OverviewInput,
  tiles: Tiles,
): { readonly databases: DatabaseTile[]; readonly servers: ServerTile[] } {
  const others = neighbours(input, tiles);
  const databases = tiles.databases.map((tile): DatabaseTile => {
    const causes = tile.active ? null : causesOfDatabase(input, tiles, tile, others);
    return { ...tile, causes: causes && plain(causes) };
  });
  const servers = tiles.servers.map((tile): ServerTile => {
    const causes =
      tile.active || tile.role === "unknown" ? null : causesOfServer(input, databases, tile, others);
    return { ...tile, causes: causes && plain(causes) };
  });
  return { databases, servers };
}

/** Every node but the observer: its host as far as the observer can tell, and whether it is reached. */
interface Neighbour {
  readonly label: string;
  /** Empty: the observer's own engine, where nodes have names; else the host's address. */
  readonly host: string;
  readonly isReached: boolean;
}

function neighbours(input: OverviewInput, { databases, servers }: Tiles): readonly Neighbour[] {
  const { gateway } = input.deployment;
  return [
    ...input.deployment.servers
      .filter(({ name }) => name !== input.server)
      .map(({ name, address, certificateName }) => ({
        label: serverLabel(name),
        host: address === certificateName ? "" : address,
        isReached: servers.some((tile) => tile.name === name) && answerOf(input, name) !== null,
      })),
    ...databases.map(({ name, role, address }) => {
      const host = address.slice(0, address.lastIndexOf(":"));
      return {
        label: databaseLabel(name),
        host: host === `${name}-database` ? "" : host,
        isReached: role !== "down",
      };
    }),
    ...(gateway === null
      ? []
      : [
          {
            label: "the gateway",
            host: gateway.address === "gateway" ? "" : gateway.address,
            isReached: input.gateway.reachable,
          },
        ]),
  ];
}

function around(input: OverviewInput, others: readonly Neighbour[], without: string): Surroundings {
  const rest = others.filter(({ label }) => label !== without);
  const labels = (isReached: boolean) =>
    rest.filter((node) => node.isReached === isReached).map(({ label }) => label);
  return { stack: input.stack, observer: input.server, reached: labels(true), unreached: labels(false) };
}

function placeOf(others: readonly Neighbour[], label: string): Place {
  const host = hostOf(others, label);
  return {
    isBeside: host === "",
    reachedOnItsHost: others
      .filter((node) => node.label !== label && node.host === host && node.isReached)
      .map((node) => node.label),
  };
}

function hostOf(others: readonly Neighbour[], label: string): string {
  return others.find((node) => node.label === label)?.host ?? "";
}

function causesOfDatabase(
  input: OverviewInput,
  tiles: Tiles,
  tile: Without<DatabaseTile>,
  others: readonly Neighbour[],
): Diagnosis {
  const { name, role, detail } = tile;
  const { writable } = input.cluster.choice;
  const label = databaseLabel(name);
  const asked = writable === null || writable === name ? undefined : input.details.get(writable);
  // A look from before a promotion tells nothing of who is fed now.
  const source = asked?.inRecovery === false ? asked : undefined;
  const slotName = input.deployment.databases.find((node) => node.name === name)?.slot;
  const other = tiles.databases.find((candidate) => candidate.name !== name);
  const database: InactiveDatabase = {
    name,
    role: role === "primary" ? "standby" : role,
    containerName: input.deployment.databases.find((node) => node.name === name)?.containerName ?? name,
    look: role === "down" ? lookOf(detail ?? "not asked yet") : "answered",
    problem: role === "refused" ? (detail ?? input.cluster.choice.conflict) : detail,
    loss: input.cluster.views.find((view) => view.name === name)?.loss ?? "other",
    witnesses: witnesses(input, tile.reachedBy, input.since.get(name) ?? 0),
    place: placeOf(others, label),
    writable,
    isFollowing: following(input, tile, source),
    // What was a standby a moment ago may have been promoted since.
    isFollowed: other?.role === "standby" ? followed(input, tile, input.details.get(other.name)) : null,
    slot:
      source === undefined
        ? undefined
        : (source.slots.find((candidate) => candidate.name === slotName) ?? null),
    way: other === undefined ? "unknown" : wayBetween(others, label, databaseLabel(other.name)),
    isInTransition: tiles.isInTransition,
  };
  return databaseCauses(database, around(input, others, label));
}

/** Whether the writable database lists it, as seen since it is as it is: an older list tells of before. */
function following(
  input: OverviewInput,
  tile: Without<DatabaseTile>,
  source: DatabaseDetail | undefined,
): boolean | null {
  if (source === undefined || source.senders === null || !isSince(input, tile.name, source.observedAt))
    return null;
  return source.senders.some(({ name, state }) => name === `${tile.name}-database` && state === "streaming");
}

function followed(
  input: OverviewInput,
  tile: Without<DatabaseTile>,
  other: DatabaseDetail | undefined,
): boolean | null {
  if (other === undefined || !other.inRecovery || !isSince(input, tile.name, other.observedAt)) return null;
  return other.streaming;
}

function isSince(input: OverviewInput, name: DatabaseName, observedAt: number): boolean {
  return observedAt > (input.since.get(name) ?? 0);
}

function wayBetween(others: readonly Neighbour[], one: string, another: string): InactiveDatabase["way"] {
  const [a, b] = [hostOf(others, one), hostOf(others, another)];
  if (a === b) return "same host";
  return a === "" || b === "" ? "open" : "unknown";
}

function causesOfServer(
  input: OverviewInput,
  databases: readonly DatabaseTile[],
  tile: Without<ServerTile>,
  others: readonly Neighbour[],
): Diagnosis {
  const { name } = tile;
  const label = serverLabel(name);
  const answer = answerOf(input, name);
  const peer = input.peers.find((candidate) => candidate.name === name);
  const session = `${input.stack}/${name}`;
  // What was used before it went silent tells nothing of now.
  const isRecent = ({ observedAt }: DatabaseDetail) =>
    observedAt > (peer?.since ?? 0) + (recentSeconds + 1) * 1000;
  return serverCauses(
    {
      name,
      containerName: input.deployment.servers.find((node) => node.name === name)?.containerName ?? name,
      look: answer === null ? lookOf(peer?.problem ?? "not asked yet") : "answered",
      problem: peer?.problem ?? null,
      loss: peer?.loss ?? "other",
      witnesses: witnesses(input, tile.reachedBy, peer?.since ?? 0),
      place: placeOf(others, label),
      state: tile.state,
      asks: [...input.details.values()]
        .filter((detail) => isRecent(detail) && detail.sessions.includes(session))
        .map((detail) => detail.name),
      databases: databases.map((database) => ({
        name: database.name,
        reachable: database.reachedBy.find(({ server }) => server === name)?.reachable ?? null,
        isReachedByOthers: database.reachedBy.some(
          ({ server, reachable }) => server !== name && reachable === true,
        ),
        likely: likelyOf(database),
        detail: database.active ? null : database.detail,
      })),
    },
    around(input, others, label),
  );
}

function likelyOf({ causes }: DatabaseTile): CauseName | null {
  return causes?.likely ?? null;
}

/** What the others say, and whether it can still be from before the observer has lost the node. */
function witnesses(
  input: OverviewInput,
  reachedBy: DatabaseTile["reachedBy"],
  lostAt: number,
): readonly Witnessed[] {
  const heardAt = (server: ServerName) => input.peers.find(({ name }) => name === server)?.observedAt ?? 0;
  return reachedBy
    .filter(({ server }) => server !== input.server)
    .map(({ server, reachable }) => ({
      server,
      reachable,
      isAwaited: reachable === true && heardAt(server) < lostAt + wordMs,
    }));
}

function serverLabel(name: ServerName): string {
  return `the ${name} server`;
}

function databaseLabel(name: DatabaseName): string {
  return `the ${name} database`;
}

/** As the schema has it: lists that may be changed. */
function plain({ likely, causes }: Diagnosis): NonNullable<DatabaseTile["causes"]> {
  return {
    likely,
    causes: causes.map((cause) => ({
      ...cause,
      evidence: [...cause.evidence],
      commands: [...cause.commands],
    })),
  };
}
