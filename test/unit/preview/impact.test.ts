import { describe, expect, it } from "vitest";
import { assess, type ImpactReport, type ReportContext } from "../../../core/preview/report.ts";
import { topologyOf, twoHosts } from "../../support/fixtures.ts";
import { contextOf, replaced } from "./contexts.ts";
import { digestOf, type StepShape } from "./digests.ts";

const removed = (node: string): StepShape[] => [
  { op: "delete", type: "container", name: node },
  { op: "delete", type: "command", name: `configure-${node}` },
  { op: "delete", type: "volume", name: `${node}-state` },
];

interface Expected {
  readonly risk: ImpactReport["risk"];
  readonly verdict?: ImpactReport["verdict"];
  /** Seconds, or how it is otherwise. */
  readonly writes: number | "go on" | "for good";
  readonly reads: number | "go on" | "for good";
  readonly reason?: RegExp;
  readonly data?: RegExp;
}

const onTwoHosts = { topology: topologyOf(twoHosts), writable: "shared" } as const;

const goOn = { writes: "go on", reads: "go on" } as const;

const cases: readonly [name: string, steps: readonly StepShape[], ReportContext, Expected][] = [
  [
    "nothing",
    [{ op: "same", type: "container", name: "gateway" }],
    contextOf(),
    {
      risk: "none",
      verdict: "no change",
      ...goOn,
    },
  ],
  [
    "only components and the stack's outputs",
    [{ op: "update", type: "component", name: "shared-database" }],
    contextOf(),
    {
      risk: "none",
      verdict: "no change",
      ...goOn,
    },
  ],
  [
    "parameters that need a restart",
    [
      {
        op: "update",
        type: "command",
        name: "restart-databases-for-parameters",
        differs: ["environment"],
        variables: [{ PARAMETERS: "{}" }, { PARAMETERS: '{"max_connections":"250"}' }],
      },
    ],
    contextOf(),
    { risk: "medium", writes: 3, reads: 1, reason: /shared-database is away for a moment/ },
  ],
  [
    "another number of databases: nothing is restarted for it",
    [
      {
        op: "update",
        type: "command",
        name: "restart-databases-for-parameters",
        differs: ["environment"],
        variables: [
          { PARAMETERS: "{}", DATABASES: "[]" },
          { PARAMETERS: "{}", DATABASES: "[{}]" },
        ],
      },
    ],
    contextOf(),
    { risk: "low", ...goOn },
  ],
  [
    "backups turned on",
    [
      { op: "create", type: "container", name: "backup" },
      { op: "create", type: "volume", name: "backup-data" },
      { op: "create", type: "volume", name: "backup-state" },
      { op: "create", type: "command", name: "configure-backup" },
      { op: "create", type: "stash", name: "credentials-login-backup" },
      { op: "update", type: "command", name: "configure-shared-database", differs: ["stdin"] },
      { op: "update", type: "command", name: "configure-primary-server", differs: ["stdin"] },
    ],
    contextOf(),
    { risk: "low", ...goOn },
  ],
  [
    "backups turned off: what was made is kept",
    [
      { op: "delete", type: "container", name: "backup" },
      { op: "delete", type: "volume", name: "backup-data", retained: true },
      { op: "delete", type: "volume", name: "backup-state", retained: true },
      { op: "delete", type: "command", name: "configure-backup" },
      { op: "delete", type: "stash", name: "credentials-login-backup" },
    ],
    contextOf(),
    { risk: "medium", ...goOn, data: /backup: its data is kept/ },
  ],
  ...([true, false] as const).map((after): (typeof cases)[number] => [
    `synchronous replication switched ${after ? "on" : "off"}`,
    [{ op: "update", type: "command", name: "switch-synchronous-replication", differs: ["environment"] }],
    { ...contextOf(), settings: [{ key: "synchronous", before: String(!after), after: String(after) }] },
    {
      risk: "medium",
      ...goOn,
      reason: after
        ? /writes stop while the replica is gone; .*: pulumi config set synchronous false && pulumi up/
        : /what it does not have yet is lost with the writable database/,
    },
  ]),
  [
    "a first deployment",
    [
      { op: "create", type: "container", name: "shared-database" },
      { op: "create", type: "volume", name: "shared-database-data" },
      { op: "create", type: "command", name: "initialise-shared-database" },
      { op: "create", type: "network", name: "docker-local-network" },
    ],
    contextOf({ before: null }),
    { risk: "low", ...goOn, reason: /nothing stops/ },
  ],
  [
    "a configuration delivered live",
    [
      {
        op: "update",
        type: "command",
        name: "configure-shared-database",
        differs: ["stdin", "environment.FILES"],
      },
    ],
    contextOf(),
    { risk: "low", ...goOn },
  ],
  [
    "the gateway",
    replaced("gateway"),
    contextOf(),
    {
      risk: "medium",
      writes: 2,
      reads: 2,
      reason: /writes stop for about 2 s: gateway is away for a moment/,
    },
  ],
  [
    "one of two writing servers",
    replaced("primary-server"),
    contextOf(),
    { risk: "medium", writes: 1, reads: 1 },
  ],
  [
    "both writing servers, one after the other",
    replaced("primary-server", "secondary-server"),
    contextOf(),
    {
      risk: "medium",
      writes: 1,
      reads: 1,
    },
  ],
  [
    "all servers, one after the other",
    replaced("primary-server", "secondary-server", "read-only-server"),
    contextOf(),
    {
      risk: "medium",
      writes: 1,
      reads: 1,
    },
  ],
  [
    "the writable database",
    replaced("shared-database"),
    contextOf(),
    {
      risk: "medium",
      writes: 3,
      reads: 1,
    },
  ],
  [
    "the writable database, and then the server that reads meanwhile",
    replaced("shared-database", "read-only-server"),
    contextOf(),
    {
      risk: "medium",
      writes: 3,
      reads: 1,
    },
  ],
  ["the replica", replaced("read-only-database"), contextOf(), { risk: "medium", ...goOn }],
  [
    "the replica while it is the writable one",
    replaced("read-only-database"),
    contextOf({ writable: "read-only" }),
    {
      risk: "medium",
      writes: 3,
      reads: 1,
    },
  ],
  [
    "the only database of the model secondary",
    replaced("shared-database"),
    contextOf({ before: "secondary", after: "secondary" }),
    {
      risk: "medium",
      writes: 3,
      reads: 3,
    },
  ],
  [
    "the only writing server of the model read-only",
    replaced("primary-server"),
    contextOf({ before: "read-only", after: "read-only" }),
    {
      risk: "medium",
      writes: 4,
      reads: 1,
    },
  ],
  [
    "both databases, one after the other",
    replaced("shared-database", "read-only-database"),
    contextOf(),
    {
      risk: "medium",
      writes: 3,
      reads: 1,
      reason: /writes stop for about 3 s: shared-database is away for a moment/,
    },
  ],
  [
    "the replica whose word writes wait for",
    replaced("read-only-database"),
    contextOf({ synchronous: true }),
    { risk: "medium", writes: 3, reads: "go on" },
  ],
  [
    "a server is replaced before another one leaves",
    [...replaced("primary-server"), ...removed("secondary-server")],
    contextOf({ after: "read-only" }),
    { risk: "medium", writes: 1, reads: 1 },
  ],
  [
    "who is writable is not known: the shared one is assumed",
    replaced("shared-database"),
    contextOf({ writable: null }),
    {
      risk: "medium",
      writes: 3,
      reads: 1,
    },
  ],
  [
    "the model loses its secondary server",
    removed("secondary-server"),
    contextOf({ after: "read-only" }),
    {
      risk: "medium",
      ...goOn,
      reason: /secondary-server is deleted: stopped in order and removed/,
    },
  ],
  [
    "the model loses its replica",
    [
      ...removed("read-only-server"),
      ...removed("read-only-database"),
      { op: "delete", type: "volume", name: "read-only-database-data" },
    ],
    contextOf({ after: "secondary" }),
    {
      risk: "medium",
      ...goOn,
      data: /^read-only-database: its copy of the data is deleted$/,
    },
  ],
  [
    "the model loses the replica whose word writes wait for: they are told before it goes",
    [...removed("read-only-server"), ...removed("read-only-database")],
    contextOf({ after: "secondary", synchronous: true }),
    { risk: "medium", ...goOn },
  ],
  [
    "the only writing server moves to another host",
    [
      { op: "create", type: "container", name: "primary-server-on-beta" },
      { op: "delete", type: "container", name: "primary-server-on-alpha" },
    ],
    contextOf({ before: "read-only", after: "read-only" }),
    { risk: "medium", writes: 4, reads: 1, reason: /primary-server is away for a moment/ },
  ],
  [
    "the replica and its server move to another host: nobody waits, nothing is lost",
    ["read-only-database", "read-only-server"].flatMap((node): StepShape[] => [
      { op: "create", type: "container", name: `${node}-on-alpha` },
      { op: "delete", type: "container", name: `${node}-on-beta` },
      { op: "delete", type: "command", name: `release-${node}-on-beta` },
      { op: "delete", type: "volume", name: `${node}-on-beta-state`, retained: true },
    ]),
    contextOf(),
    {
      risk: "medium",
      ...goOn,
      reason: /it has moved: stopped in order on its old host and removed there/,
    },
  ],
  [
    "the shared database, which follows, moves to another host: it is copied there",
    [
      { op: "create", type: "container", name: "shared-database-on-beta" },
      { op: "create", type: "command", name: "initialise-shared-database-on-beta" },
      { op: "delete", type: "container", name: "shared-database-on-alpha" },
    ],
    contextOf({ writable: "read-only" }),
    { risk: "medium", ...goOn, data: /^shared-database: filled from the writable database$/ },
  ],
  [
    "a transition that has run is only described otherwise",
    [{ op: "update", type: "command", name: "promote-read-only", differs: ["stdin"] }],
    contextOf(),
    { risk: "low", ...goOn },
  ],
  [
    "the gateway leaves: clients have to look for it elsewhere",
    [{ op: "delete", type: "container", name: "gateway" }],
    contextOf(),
    { risk: "high", writes: "for good", reads: "for good", reason: /gateway is away for good/ },
  ],
  [
    "a host leaves with the last that ran on it",
    [
      ...removed("read-only-server"),
      ...removed("read-only-database"),
      { op: "delete", type: "network", name: "docker-beta-network" },
    ],
    { ...contextOf({ after: "secondary" }), deployed: onTwoHosts },
    { risk: "medium", ...goOn },
  ],
  [
    "a host leaves whose nodes stay",
    [...removed("read-only-server"), { op: "delete", type: "network", name: "docker-beta-network" }],
    { ...contextOf(), deployed: onTwoHosts },
    { risk: "high", writes: "for good", reads: "for good", reason: /the network of host beta is deleted/ },
  ],
  [
    "the replica's data stays behind on its host",
    [{ op: "delete", type: "volume", name: "read-only-database-data", retained: true }],
    contextOf({ after: "secondary" }),
    { risk: "low", ...goOn, data: /its data is kept/ },
  ],
  [
    "a data volume is replaced",
    [{ op: "replace", type: "volume", name: "shared-database-data", differs: ["labels"] }],
    contextOf(),
    {
      risk: "high",
      verdict: "refused",
      ...goOn,
      data: /^shared-database: ALL ITS DATA IS DELETED, and it is the writable/,
    },
  ],
  [
    "a retained data volume is only described otherwise",
    [
      {
        op: "replace",
        type: "volume",
        name: "read-only-database-data",
        differs: ["labels"],
        retained: true,
      },
    ],
    contextOf(),
    { risk: "low", ...goOn, data: /its data is kept/ },
  ],
  [
    "a retained data volume is replaced by one of another name",
    [{ op: "replace", type: "volume", name: "read-only-database-data", differs: ["name"], retained: true }],
    contextOf({ writable: "read-only" }),
    { risk: "high", verdict: "refused", ...goOn, data: /ALL ITS DATA IS DELETED/ },
  ],
  [
    "a data volume that was given up",
    [{ op: "replace", type: "volume", name: "shared-database-data", differs: ["labels"] }],
    contextOf({ writable: "read-only", givenUp: "shared-database-data" }),
    { risk: "medium", ...goOn, data: /its copy of the data is deleted, and copied again by base backup/ },
  ],
  [
    "giving up does not help where it is the writable database's",
    [{ op: "replace", type: "volume", name: "shared-database-data", differs: ["labels"] }],
    contextOf({ givenUp: "shared-database-data" }),
    { risk: "high", verdict: "refused", ...goOn, data: /ALL ITS DATA IS DELETED, and it is the writable/ },
  ],
  [
    "the writable database's volume goes with its node",
    [{ op: "delete", type: "volume", name: "read-only-database-data" }],
    contextOf({ after: "secondary", writable: "read-only" }),
    {
      risk: "high",
      verdict: "refused",
      ...goOn,
      data: /ALL ITS DATA IS DELETED/,
    },
  ],
  [
    "the memory of a node that stays",
    [{ op: "replace", type: "volume", name: "gateway-state", differs: ["labels"] }],
    contextOf(),
    { risk: "high", ...goOn, reason: /forgets its role/ },
  ],
  [
    "what the engine applies to a running container",
    [{ op: "update", type: "container", name: "shared-database", differs: ["memory", "memorySwap"] }],
    contextOf(),
    { risk: "low", ...goOn },
  ],
  [
    "what it does not apply",
    [{ op: "update", type: "container", name: "shared-database", differs: ["cpuQuota"] }],
    contextOf(),
    { risk: "medium", ...goOn, reason: /cpuQuota: taken down by Pulumi, but not applied/ },
  ],
  [
    "a stopped container that a refresh has found",
    [{ op: "update", type: "container", name: "primary-server", differs: ["mustRun"] }],
    contextOf(),
    { risk: "low", ...goOn },
  ],
  [
    "a network that is replaced",
    [{ op: "replace", type: "network", name: "docker-local-network", differs: ["driver"] }],
    contextOf(),
    { risk: "high", writes: "for good", reads: "for good" },
  ],
  [
    "another engine behind the same host",
    [{ op: "update", type: "engine", name: "docker-local", differs: ["host"] }],
    contextOf(),
    { risk: "high", ...goOn, reason: /another engine from now on/ },
  ],
  [
    "the key of the vault",
    [{ op: "replace", type: "stash", name: "credentials-encryption-key" }],
    contextOf(),
    { risk: "high", ...goOn, data: /encrypted with the old key is lost/ },
  ],
  [
    "a key that is dropped",
    [{ op: "delete", type: "stash", name: "credentials-encryption-key" }],
    contextOf(),
    { risk: "low", ...goOn },
  ],
  [
    "a key that is used before it is accepted",
    [{ op: "create", type: "stash", name: "credentials-encryption-key-2" }],
    { ...contextOf(), refused: ["key: generation [1] must not be followed by [2]: …"] },
    { risk: "high", ...goOn, verdict: "refused", reason: /it is refused/ },
  ],
  [
    "what follows from containers made anew",
    [
      { op: "update", type: "command", name: "await-shared-database", differs: ["environment"] },
      { op: "update", type: "command", name: "synchronous-replication-era", differs: ["environment"] },
      { op: "update", type: "command", name: "switch-synchronous-replication", differs: ["environment"] },
    ],
    contextOf(),
    { risk: "low", ...goOn },
  ],
  [
    "a promote",
    [{ op: "create", type: "command", name: "promote-read-only" }],
    contextOf(),
    {
      risk: "medium",
      writes: 0.3,
      reads: "go on",
      reason: /another database becomes the writable one/,
    },
  ],
  [
    "a promote that is done is forgotten",
    [{ op: "delete", type: "command", name: "promote-read-only" }],
    contextOf(),
    {
      risk: "low",
      ...goOn,
    },
  ],
  [
    "a rebuild",
    [{ op: "create", type: "command", name: "rebuild-read-only" }],
    contextOf(),
    {
      risk: "medium",
      ...goOn,
      data: /thrown away and copied again/,
    },
  ],
  [
    "a resource that the report does not know",
    [{ op: "create", type: "other", name: "x" }],
    contextOf(),
    {
      risk: "medium",
      ...goOn,
      reason: /does not know what it does/,
    },
  ],
];

describe("what a change does to people and data", () => {
  it.each(cases)("%s", (_name, steps, context, {
    risk,
    verdict = "changes",
    writes,
    reads,
    reason,
    data,
  }) => {
    const report = assess(digestOf(steps), context);
    const said = ({ stops, seconds }: ImpactReport["interruptions"]["writes"]) =>
      stops ? (seconds ?? "for good") : "go on";
    expect({
      risk: report.risk,
      verdict: report.verdict,
      writes: said(report.interruptions.writes),
      reads: said(report.interruptions.reads),
    }).toEqual({ risk, verdict, writes, reads });
    if (reason) expect(report.reasons.join("\n")).toMatch(reason);
    expect(report.data).toEqual(data ? [expect.stringMatching(data)] : []);
    expect(report.reasons.length).toBeGreaterThan(risk === "none" ? -1 : 0);
  });
});
