import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Attempt,
  type Diagnosis,
  databaseCauses,
  type InactiveDatabase,
  type InactiveServer,
  type Loss,
  lookOf,
  lossAfter,
  type Surroundings,
  serverCauses,
} from "../../core/causes/index.ts";
import { causeNames } from "../../core/causes/types.ts";
import { databaseNames, serverNames } from "../../core/vocabulary.ts";

const around: Surroundings = {
  stack: "dev",
  observer: "primary",
  reached: ["the shared database", "the read-only server"],
  unreached: [],
};
const alone: Surroundings = {
  ...around,
  observer: "read-only",
  reached: [],
  unreached: ["the primary server", "the shared database"],
};
const beside = { isBeside: true, reachedOnItsHost: ["the shared database"] };
const elsewhere = { isBeside: false, reachedOnItsHost: [] };

const server = (changes: Partial<InactiveServer> = {}): InactiveServer => ({
  name: "secondary",
  containerName: "dev-secondary-server",
  look: "silent",
  problem: "no answer within 1 s",
  loss: "other",
  witnesses: [{ server: "read-only", reachable: false, isAwaited: false }],
  place: beside,
  state: null,
  asks: [],
  databases: [
    { name: "shared", reachable: null, isReachedByOthers: true, likely: null, detail: null },
    { name: "read-only", reachable: null, isReachedByOthers: true, likely: null, detail: null },
  ],
  ...changes,
});

/** A server that answers and cannot do its duty. */
const idle = (
  state: string,
  databases: readonly Partial<InactiveServer["databases"][number]>[],
): InactiveServer =>
  server({
    look: "answered",
    problem: null,
    state,
    databases: databases.map((database, index) => ({
      name: databaseNames[index] ?? "shared",
      reachable: false,
      isReachedByOthers: false,
      likely: null,
      detail: null,
      ...database,
    })),
  });

const database = (changes: Partial<InactiveDatabase> = {}): InactiveDatabase => ({
  name: "read-only",
  containerName: "dev-read-only-database",
  role: "down",
  look: "silent",
  problem: "timeout expired",
  loss: "other",
  witnesses: [{ server: "read-only", reachable: false, isAwaited: false }],
  place: beside,
  writable: "shared",
  isFollowing: false,
  isFollowed: null,
  slot: { name: "read_only", active: false, walStatus: "reserved" },
  way: "same host",
  isInTransition: false,
  ...changes,
});

/** `likely; service replication network`, each verdict by its first letter: Likely, Ruled out, Not known. */
function short({ likely, causes }: Diagnosis): string {
  const letters = causes.map(({ verdict }) => verdict.charAt(0).toUpperCase());
  return `${likely}; ${letters.join(" ")}`;
}

const commandsOf = (diagnosis: Diagnosis, name: string) =>
  diagnosis.causes.find((cause) => cause.name === name)?.commands;

describe("why a server is inactive", () => {
  test.each<[string, InactiveServer, Surroundings, string]>([
    ["silent to all of its own engine", server(), around, "service; L R N"],
    [
      "its name is gone",
      server({ look: "unnamed", problem: "getaddrinfo ENOTFOUND" }),
      around,
      "service; L R N",
    ],
    [
      "its host refuses",
      server({ look: "refused", place: elsewhere, witnesses: [] }),
      alone,
      "service; L R R",
    ],
    [
      "another server reaches it",
      server({ witnesses: [{ server: "read-only", reachable: true, isAwaited: false }] }),
      around,
      "network; R R L",
    ],
    [
      "refused here, another server reaches it",
      server({ look: "refused", witnesses: [{ server: "read-only", reachable: true, isAwaited: false }] }),
      around,
      "network; R R L",
    ],
    ["a database is asked by it", server({ asks: ["shared"] }), around, "network; R R L"],
    [
      "on another host where a database is reached",
      server({
        place: { isBeside: false, reachedOnItsHost: ["the read-only database"] },
        witnesses: [],
      }),
      around,
      "service; L R N",
    ],
    [
      "on another host, and nobody else has looked",
      server({ place: elsewhere, witnesses: [{ server: "read-only", reachable: null, isAwaited: false }] }),
      around,
      "null; N R N",
    ],
    ["the observer reaches nobody at all", server({ witnesses: [] }), alone, "network; N R L"],
    [
      "something else answers in its place",
      server({ look: "odd", problem: "it answers something else than this version expects" }),
      around,
      "null; N R R",
    ],
    ["it was cut off", server({ look: "unnamed", loss: "cut" }), around, "network; N R L"],
    ["it has just fallen silent", server({ loss: "silent" }), around, "null; N R N"],
    [
      "what was cut off on another host, or has lost its power there",
      server({ loss: "cut", place: elsewhere, witnesses: [] }),
      around,
      "null; N R N",
    ],
    [
      "another server reached it a moment ago",
      server({ witnesses: [{ server: "read-only", reachable: true, isAwaited: true }] }),
      around,
      "null; N R N",
    ],
    ["nobody has asked yet", server({ look: "unasked", witnesses: [] }), around, "null; N R N"],
    ["it is being stopped", idle("stopping", [{ reachable: true }]), around, "service; L N R"],
    [
      "it reaches no database, others do",
      idle("unavailable", [{ isReachedByOthers: true }, {}]),
      around,
      "network; R R L",
    ],
    [
      "nobody reaches a database, they do not run",
      idle("unavailable", [{ likely: "service" }, { likely: "service" }]),
      around,
      "replication; R L N",
    ],
    [
      "nobody reaches a database, they are cut off",
      idle("unavailable", [{ likely: "network" }, { likely: "network" }]),
      around,
      "network; R N L",
    ],
    ["nobody knows of the databases", idle("unavailable", [{}, {}]), around, "null; R N N"],
    [
      "the only database that it reaches must not be used",
      idle("unavailable", [
        { reachable: true, likely: "replication", detail: "its timeline 1 is lower than 2" },
      ]),
      around,
      "replication; R L R",
    ],
    [
      "it reaches a database and has not found its tables",
      idle("starting", [{ reachable: true }]),
      around,
      "null; R N R",
    ],
  ])("%s", (_, inactive, surroundings, expected) => {
    expect(short(serverCauses(inactive, surroundings))).toBe(expected);
  });

  test("the commands are those of the stack and the container", () => {
    const found = serverCauses(server(), { ...around, stack: "staging" });
    expect(commandsOf(found, "service")).toEqual([
      "docker start dev-secondary-server",
      "docker logs --tail 50 dev-secondary-server",
      "npm run up -- --stack staging",
    ]);
    expect(commandsOf(serverCauses(server(), around), "network")).toEqual(["npm run status", "npm run up"]);
  });
});

describe("why a database is inactive", () => {
  const still = (changes: Partial<InactiveDatabase> = {}) =>
    database({ role: "standby", look: "answered", problem: null, ...changes });

  test.each<[string, InactiveDatabase, string]>([
    ["refused", database({ look: "refused", problem: "connect ECONNREFUSED" }), "service; L N R"],
    [
      "it starts",
      database({ look: "starting", problem: "the database system is starting up" }),
      "service; L N R",
    ],
    ["silent to all", database(), "service; L N N"],
    ["cut off", database({ look: "unnamed", loss: "cut" }), "network; N N L"],
    ["silent, and the writable one streams to it", database({ isFollowing: true }), "network; R R L"],
    [
      "the writable one is silent, and the other receives from it",
      database({ name: "shared", writable: null, isFollowing: null, isFollowed: true, slot: undefined }),
      "network; R R L",
    ],
    [
      "the writable one is silent, and the other receives nothing",
      database({ name: "shared", writable: null, isFollowing: null, isFollowed: false, slot: undefined }),
      "service; L N N",
    ],
    [
      "a password is refused",
      database({ look: "odd", problem: "password authentication failed" }),
      "null; N N R",
    ],
    ["it answers and does not stream, on one host", still(), "replication; R L N"],
    ["the same, the way between the hosts is open", still({ way: "open" }), "replication; R L R"],
    ["the same, nobody knows of the way", still({ way: "unknown" }), "null; R N N"],
    [
      "its slot is lost",
      still({ way: "unknown", slot: { name: "read_only", active: false, walStatus: "lost" } }),
      "replication; R L N",
    ],
    [
      "it claims to be writable and is not",
      database({ name: "shared", role: "refused", look: "answered", writable: "read-only" }),
      "replication; R L R",
    ],
    [
      "it is closed by a transition",
      database({ name: "shared", role: "closed", look: "answered", isInTransition: true }),
      "replication; R L R",
    ],
  ])("%s", (_, inactive, expected) => {
    expect(short(databaseCauses(inactive, around))).toBe(expected);
  });

  test.each<[string, InactiveDatabase, string]>([
    [
      "a lost slot",
      still({ slot: { name: "s", active: false, walStatus: "lost" } }),
      "transition -- rebuild",
    ],
    [
      "a lost slot of the shared database",
      still({ name: "shared", slot: { name: "s", active: false, walStatus: "lost" } }),
      "transition -- restore",
    ],
    ["no slot", still({ slot: null }), "up"],
    [
      "an old primary",
      database({ name: "shared", role: "refused", look: "answered", writable: "read-only" }),
      "transition -- restore",
    ],
    [
      "a read-only database that was opened by hand",
      database({ role: "refused", look: "answered", writable: "shared" }),
      "transition -- rebuild",
    ],
  ])("what helps with %s", (_, inactive, command) => {
    expect(commandsOf(databaseCauses(inactive, around), "replication")?.[0]).toBe(`npm run ${command}`);
  });
});

describe("any diagnosis", () => {
  const looks = fc.constantFrom("refused", "unnamed", "silent", "starting", "odd", "unasked") as fc.Arbitrary<
    Exclude<InactiveServer["look"], "answered">
  >;
  const names = fc.uniqueArray(fc.constantFrom("the shared database", "the gateway", "the read-only server"));
  const surroundings = fc.record({
    stack: fc.constantFrom("dev", "production"),
    observer: fc.constantFrom(...serverNames),
    reached: names,
    unreached: names,
  });
  const base = {
    containerName: fc.constant("a-container"),
    problem: fc.constantFrom(null, "a reason"),
    witnesses: fc.array(
      fc.record({
        server: fc.constantFrom(...serverNames),
        reachable: fc.constantFrom(true, false, null),
        isAwaited: fc.boolean(),
      }),
      { maxLength: 2 },
    ),
    loss: fc.constantFrom("none", "silent", "cut", "other"),
    place: fc.record({ isBeside: fc.boolean(), reachedOnItsHost: names }),
  };
  const maybe = fc.constantFrom(true, false, null);
  const servers: fc.Arbitrary<InactiveServer> = fc.record({
    ...base,
    name: fc.constantFrom(...serverNames),
    look: fc.oneof(looks, fc.constant("answered" as const)),
    state: fc.constantFrom("starting", "stopping", "unavailable", null),
    asks: fc.uniqueArray(fc.constantFrom(...databaseNames)),
    databases: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom(...databaseNames),
        reachable: maybe,
        isReachedByOthers: fc.boolean(),
        likely: fc.constantFrom(...causeNames, null),
        detail: fc.constantFrom(null, "a reason"),
      }),
      { selector: ({ name }) => name },
    ),
  });
  const databases: fc.Arbitrary<InactiveDatabase> = fc
    .record({
      ...base,
      name: fc.constantFrom(...databaseNames),
      role: fc.constantFrom("standby", "closed", "refused", "down"),
      look: looks,
      writable: fc.constantFrom(...databaseNames, null),
      isFollowing: maybe,
      isFollowed: maybe,
      slot: fc.constantFrom(
        null,
        undefined,
        ...["reserved", "lost", null].map((walStatus) => ({ name: "s", active: false, walStatus })),
      ),
      way: fc.constantFrom("open", "same host", "unknown"),
      isInTransition: fc.boolean(),
    })
    .map((found) => (found.role === "down" ? found : { ...found, look: "answered" as const }));

  /** What everybody expects of a diagnosis, whatever was seen. */
  function expectSound(found: Diagnosis): void {
    expect(found.causes.map(({ name }) => name)).toEqual([...causeNames]);
    const likely = found.causes.filter(({ verdict }) => verdict === "likely").map(({ name }) => name);
    expect(likely).toEqual(found.likely === null ? [] : [found.likely]);
    for (const { checked, evidence, remedy, commands } of found.causes) {
      expect([checked, remedy, ...evidence, ...commands].every((text) => text.length > 0)).toBe(true);
      expect(commands.length).toBeGreaterThan(0);
    }
  }

  test("of a server: one likely cause or none, and never one whose contrary was observed", () => {
    fc.assert(
      fc.property(servers, surroundings, (inactive, seen) => {
        const found = serverCauses(inactive, seen);
        expectSound(found);
        const isHeard =
          inactive.look === "answered" ||
          inactive.asks.length > 0 ||
          inactive.witnesses.some(({ reachable, isAwaited }) => reachable === true && !isAwaited);
        const isCut = inactive.loss === "cut" || (seen.reached.length === 0 && seen.unreached.length > 1);
        if (isHeard && inactive.state !== "stopping" && inactive.look !== "starting")
          expect(found.likely).not.toBe("service");
        if (inactive.look === "refused" && !isHeard) expect(found.likely).not.toBe("network");
        if (inactive.look !== "answered" && !isHeard && !isCut) expect(found.likely).not.toBe("network");
        if (inactive.look === "starting" || inactive.look === "odd") expect(found.likely).not.toBe("network");
        if (inactive.look === "answered" && inactive.databases.some(({ reachable }) => reachable === true))
          expect(found.likely).not.toBe("network");
        if (inactive.look !== "answered") expect(found.likely).not.toBe("replication");
      }),
      { numRuns: 500 },
    );
  });

  test("of a database: the same", () => {
    fc.assert(
      fc.property(databases, surroundings, (inactive, seen) => {
        const found = databaseCauses(inactive, seen);
        expectSound(found);
        const isHeard =
          inactive.look === "answered" ||
          inactive.isFollowing === true ||
          inactive.isFollowed === true ||
          inactive.witnesses.some(({ reachable, isAwaited }) => reachable === true && !isAwaited);
        const isCut = inactive.loss === "cut" || (seen.reached.length === 0 && seen.unreached.length > 1);
        if (isHeard && inactive.look !== "starting") expect(found.likely).not.toBe("service");
        if (inactive.look === "answered") expect(found.likely).not.toBe("network");
        if (inactive.look === "refused" && !isHeard) expect(found.likely).not.toBe("network");
        if (inactive.look !== "answered" && !isHeard && !isCut) expect(found.likely).not.toBe("network");
        if (inactive.look === "starting" || inactive.look === "odd") expect(found.likely).not.toBe("network");
        if (inactive.look !== "answered") expect(found.likely).not.toBe("replication");
      }),
      { numRuns: 500 },
    );
  });
});

test.each<[what: string, attempts: Attempt[], loss: Loss]>([
  ["cut off", ["silent", "untaken", "untaken"], "cut"],
  ["cut off, and there again", ["silent", "untaken", "answered"], "none"],
  ["ended", ["untaken", "untaken"], "other"],
  ["ended under way", ["taken", "untaken"], "other"],
  ["hung, then ended", ["silent", "taken", "untaken"], "other"],
  ["cut off, then hung", ["silent", "untaken", "taken", "untaken"], "other"],
  ["silent so far", ["silent"], "silent"],
])("a node that was %s", (_, attempts, loss) => {
  expect(attempts.reduce(lossAfter, "none" as Loss)).toBe(loss);
  // Who has never heard of it cannot tell how it went.
  if (attempts.at(-1) !== "answered") expect(attempts.reduce(lossAfter, "other" as Loss)).toBe("other");
});

test.each([
  ["connect ECONNREFUSED 172.18.0.3:8443", "refused"],
  ["getaddrinfo ENOTFOUND secondary-server", "unnamed"],
  ["getaddrinfo EAI_AGAIN secondary-server", "unnamed"],
  ["no answer within 1 s", "silent"],
  ["timeout expired", "silent"],
  ["Connection terminated due to connection timeout", "silent"],
  ["connect EHOSTUNREACH 172.18.0.3:8443", "silent"],
  ["socket hang up", "silent"],
  ["the database system is starting up", "starting"],
  ['password authentication failed for user "application"', "odd"],
  ["certificate has expired", "odd"],
  ["there answers the primary server", "odd"],
  ["not asked yet", "unasked"],
  ["not observed yet", "unasked"],
  [null, "answered"],
])("%s is %s", (problem, look) => {
  expect(lookOf(problem)).toBe(look);
});
