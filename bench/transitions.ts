import { setTimeout as sleep } from "node:timers/promises";
import type { Evidence } from "../core/transition/evidence.ts";
import type { Goal } from "../core/transition/step.ts";
import type { DeployedStack } from "../scripts/cli/pulumi.ts";
import { execute } from "../scripts/docker/container.ts";
import { figuresOf } from "../scripts/drill/figures.ts";
import { type MeasuredTransition, measureTransition } from "../scripts/drill/swap.ts";
import { compareEverywhere, localRows } from "../scripts/load/compare.ts";
import { WriteLoad } from "../scripts/load/writeLoad.ts";
import { containerOf } from "../scripts/observe/index.ts";
import { nodeOf } from "../scripts/transition/context.ts";
import { runTransition } from "../scripts/transition/driver.ts";
import { rebuildMeasurements } from "./rebuild.ts";
import type { Measurement, Part, Suite } from "./suite.ts";

const clients = 8;

/** Promote, restore, emergency promote and rebuild, as eight writing clients at the gateway see them. */
export const transitions: Suite = {
  name: "transitions",
  description: "promote, restore, emergency promote and rebuild under 8 writing clients at the gateway",
  async run({ stack: own, runs, say }) {
    const { exitCode, all } = await own.up();
    if (exitCode !== 0) throw new Error(`up ended with ${exitCode}:\n${all}`);
    const stack = await own.deployed();
    const planned: MeasuredTransition[] = [];
    await underLoad(stack, say, async (load) => {
      for (let run = 1; run <= runs; run++)
        for (const transition of ["promote", "restore"] as const) {
          const measured = await measure(stack, load, { transition, transitionId: `bench-${run}` });
          say(
            `${transition} ${run} of ${runs}: writes waited ${measured.gatewayGapSeconds.toFixed(3)} s (${partsText(partsOf(measured))}), ${measured.failedRequests} requests failed`,
          );
          planned.push(measured);
        }
      return { mayLose: false };
    });
    const emergencies: Measurement[] = [];
    for (const kind of kinds)
      emergencies.push(...emergencyMeasurements(await emergenciesOf(stack, say, kind, runs), kind));
    return [
      ...(["promote", "restore"] as const).flatMap((name) =>
        plannedMeasurements(
          name,
          planned.filter(({ transition }) => transition === name),
        ),
      ),
      ...emergencies,
      ...(await rebuildMeasurements(stack, Math.min(runs, 5), say)),
    ];
  },
};

/** What is with the old primary's disk, and with the writes that only it has. */
interface Kind {
  readonly name: string;
  /** What it has not sent can be read at the promotion; where not, there is some. */
  readonly readable: boolean;
  /** Its data is kept aside where it went its own way. */
  readonly keepDiverged: boolean;
}

const kinds: readonly Kind[] = [
  { name: "disk readable", readable: true, keepDiverged: true },
  { name: "disk unreadable, diverged data not kept", readable: false, keepDiverged: false },
  { name: "disk unreadable, diverged data kept", readable: false, keepDiverged: true },
];

async function emergenciesOf(
  stack: DeployedStack,
  say: (line: string) => void,
  kind: Kind,
  runs: number,
): Promise<readonly Emergency[]> {
  const emergencies: Emergency[] = [];
  await underLoad(stack, say, async (load) => {
    for (let run = 1; run <= runs; run++) {
      const measured = await emergency(stack, load, kind, `bench-${kinds.indexOf(kind)}-${run}`);
      emergencies.push(measured);
      const { firstWrite, parts, streaming, rejoin, unsentBytes, megabytes } = measured;
      say(
        `emergency promote ${run} of ${runs} (${kind.name}): first write ${firstWrite.toFixed(3)} s after the decision (${partsText(parts)}; ${unsentBytes} bytes read from the old primary's disk; it streams ${streaming.toFixed(3)} s later, ${rejoin}, of ${megabytes} MB)`,
      );
    }
    // What the killed database had acknowledged and not sent is lost where its disk cannot be read.
    return { mayLose: true };
  });
  return emergencies;
}

interface Emergency {
  /** Decision → first write that a client at the gateway has acknowledged. */
  readonly firstWrite: number;
  /** From that write to the end of the last step, which waits until the old primary streams. */
  readonly streaming: number;
  /** How the old primary's data was made such that it could follow. */
  readonly rejoin: string;
  /** WAL that the new primary got from the old one's disk. */
  readonly unsentBytes: number;
  /** How much the old primary has: its data folder, in megabytes. */
  readonly megabytes: number;
  /** From the decision on: when each step began and how long it took. */
  readonly parts: readonly Part[];
}

function measure(
  stack: DeployedStack,
  load: WriteLoad,
  goal: Partial<Goal> & Pick<Goal, "transition" | "transitionId">,
): Promise<MeasuredTransition> {
  return measureTransition(stack, load, { goal, progress: () => undefined });
}

/** Runs transitions under the load, and refuses to give figures of runs that have done damage. */
async function underLoad(
  stack: DeployedStack,
  say: (line: string) => void,
  work: (load: WriteLoad) => Promise<{ readonly mayLose: boolean }>,
): Promise<void> {
  const load = await WriteLoad.start(stack, { clients });
  let mayLose = false;
  try {
    ({ mayLose } = await work(load));
  } finally {
    await load.stop();
  }
  const failed = load.failed.length;
  if (failed > 0 && !mayLose)
    throw new Error(`${failed} requests failed, the last: ${JSON.stringify(load.failed.at(-1))}`);
  for (const [name, { lost, doubled, acknowledged }] of Object.entries(
    await compareEverywhere(load, stack.topology),
  )) {
    say(
      `${name}: ${acknowledged} writes acknowledged, ${lost.length} lost, ${doubled.length} doubled, ${failed} requests failed`,
    );
    if (doubled.length > 0 || (lost.length > 0 && !mayLose))
      throw new Error(`${name}: ${lost.length} writes are lost, ${doubled.length} are doubled`);
  }
}

function partsText(parts: readonly Part[]): string {
  return parts.map(({ name, seconds }) => `${name} ${seconds.toFixed(3)} s`).join(", ");
}

/** Kills the shared database, decides, and measures until clients write again and until it streams as a standby. */
async function emergency(
  stack: DeployedStack,
  load: WriteLoad,
  kind: Kind,
  transitionId: string,
): Promise<Emergency> {
  await serveForHours(stack, load);
  const megabytes = await megabytesOf(stack);
  if (!kind.readable) await writeUnsent(stack, load);
  await containerOf(nodeOf(stack, "shared")).kill();
  // Whoever decides needs a moment; answers that were under way are counted before.
  await sleep(300);
  const decidedAt = performance.now();
  const decided = Date.now();
  const evidence = await emergencyPromote(stack, kind, transitionId);
  await load.more(100);
  const first = load.firstAcknowledgedAfter(decidedAt);
  if (first === undefined) throw new Error("nothing was acknowledged after the emergency promote");
  await measure(stack, load, { transition: "restore", transitionId });
  const parts = evidence.steps.flatMap(({ step, startedAt, seconds }) => [
    { name: `${step.split(" ")[0]} begins`, seconds: (Date.parse(startedAt) - decided) / 1000 },
    { name: "takes", seconds },
  ]);
  const follow = evidence.steps.at(-1);
  const { method } = (follow?.details.rejoin ?? {}) as { method?: string };
  const unsent = evidence.steps.map(({ details }) => details.unsentWal as { bytes?: number } | undefined);
  if (!follow || !method) throw new Error("the evidence does not say how the old primary came back");
  const firstWrite = (first - decidedAt) / 1000;
  return {
    firstWrite,
    streaming: (Date.parse(follow.startedAt) - decided) / 1000 + follow.seconds - firstWrite,
    rejoin: method,
    unsentBytes: unsent.find((read) => read)?.bytes ?? 0,
    megabytes,
    parts,
  };
}

/**
 * Leaves both databases as hours of service do: the WAL of earlier promotions is gone, of which each has left its own copy
 * of the segment that it fell into, and what was written since the last checkpoint is in each run the same.
 */
async function serveForHours(stack: DeployedStack, load: WriteLoad): Promise<void> {
  const statement = (node: "shared" | "read-only", sql: string) =>
    localRows(nodeOf(stack, node), "postgres", sql);
  for (let segment = 0; segment < 3; segment++) {
    await load.more(20);
    await statement("shared", "SELECT pg_switch_wal()");
  }
  await load.more(20);
  await statement("shared", "CHECKPOINT");
  await load.more(50);
  await statement("read-only", "CHECKPOINT");
  await load.more(200);
}

/** Has the shared database write what the other one does not get any more. */
async function writeUnsent(stack: DeployedStack, load: WriteLoad): Promise<void> {
  const shared = nodeOf(stack, "shared");
  const senders = await localRows(shared, "postgres", "SELECT pid::text FROM pg_stat_replication");
  const { exitCode, stderr } = await execute(containerOf(shared), ["kill", "-s", "STOP", ...senders]);
  if (exitCode !== 0) throw new Error(`the sender of WAL could not be halted: ${stderr}`);
  await load.more(100);
}

async function megabytesOf(stack: DeployedStack): Promise<number> {
  const rows = await localRows(
    nodeOf(stack, "shared"),
    "postgres",
    "SELECT round((sum(pg_database_size(oid)) + (SELECT sum(size) FROM pg_ls_waldir())) / 1e6) FROM pg_database",
  );
  return Number(rows[0]);
}

function emergencyPromote(
  stack: DeployedStack,
  { readable, keepDiverged }: Kind,
  transitionId: string,
): Promise<Evidence> {
  return runTransition({
    topology: stack.topology,
    goal: {
      transition: "promote",
      transitionId,
      allowDataLoss: true,
      primaryIsDown: false,
      keepDiverged,
      readUnsentWal: readable,
    },
    observer: stack.access,
    operatorPassword: stack.operatorPassword,
    commit: null,
    progress: () => undefined,
    keep: async () => undefined,
  });
}

function plannedMeasurements(name: string, runs: readonly MeasuredTransition[]): readonly Measurement[] {
  const middle = middleOf(runs, ({ gatewayGapSeconds }) => gatewayGapSeconds);
  return [
    {
      what: `${name}: write gap at the gateway`,
      seconds: runs.map(({ gatewayGapSeconds }) => gatewayGapSeconds),
      targetSeconds: 0.3,
      p95TargetSeconds: 0.5,
      parts: middle ? partsOf(middle) : [],
    },
    {
      what: `${name}: until the other database streams`,
      seconds: runs.flatMap(({ streamingSeconds }) => streamingSeconds ?? []),
      p95TargetSeconds: 2,
      parts: [],
    },
  ];
}

/** The run whose value is the median of all. */
function middleOf<Run>(runs: readonly Run[], figureOf: (run: Run) => number): Run | undefined {
  const median = figuresOf(runs.map(figureOf))?.p50;
  return runs.find((run) => figureOf(run) === median);
}

/** Where the gap of a swap goes. */
function partsOf(measured: MeasuredTransition): readonly Part[] {
  const { evidence, gatewayGapSeconds, databaseGapSeconds, gapBeforeStopSeconds } = measured;
  const details = evidence.steps.find((step) => "stoppedSeconds" in step.details)?.details;
  const stopped = Number(details?.stoppedSeconds ?? 0);
  const promoted = Number(details?.promotedSeconds ?? 0);
  const written = databaseGapSeconds ?? 0;
  const before = gapBeforeStopSeconds ?? 0;
  return [
    { name: "before the stop", seconds: before },
    { name: "old primary ends", seconds: stopped },
    { name: "replay and promotion", seconds: promoted - stopped },
    { name: "driver's first write", seconds: written - promoted },
    { name: "servers and clients beyond that", seconds: gatewayGapSeconds - before - written },
  ];
}

function emergencyMeasurements(
  runs: readonly Emergency[],
  { name, keepDiverged }: Kind,
): readonly Measurement[] {
  const largest = Math.max(...runs.map(({ megabytes }) => megabytes));
  return [
    {
      what: `emergency promote (${name}): decision to first write at the gateway`,
      seconds: runs.map(({ firstWrite }) => firstWrite),
      p95TargetSeconds: 0.5,
      parts: middleOf(runs, ({ firstWrite }) => firstWrite)?.parts ?? [],
    },
    ...[...new Set(runs.map(({ rejoin }) => rejoin))].sort().map((method) => ({
      what: `emergency promote (${name}): first write to the old primary streaming (${method}${keepDiverged && method !== "as-is" ? `, up to ${largest} MB copied before` : ""})`,
      seconds: runs.filter(({ rejoin }) => rejoin === method).map(({ streaming }) => streaming),
      p95TargetSeconds: 2,
      parts: [],
    })),
  ];
}
